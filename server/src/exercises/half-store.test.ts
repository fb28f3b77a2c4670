/** Which halves are read, when, and what comes of a change meanwhile. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import postgres from 'postgres';
import { uuidv7 } from 'uuidv7';
import { createTestDatabase } from '../../test/support/database.ts';
import { openDatabase } from '../database/database.ts';
import type { Sql } from '../database/sql.ts';
import { createHalfStore } from './half-store.ts';
import { createPageCache } from './page-cache.ts';

const address = await createTestDatabase();
const client = postgres({ ...address, max: 1, onnotice: () => undefined });
const database = openDatabase({ address, poolSize: 4, timeoutMs: 60_000 });
after(async () => {
  await client.end();
  await database.close();
});

await addExercises(null, 5);
const [small, ...large] = [await addUser(30), await addUser(301), await addUser(400), await addUser(500)];

async function addUser(count: number): Promise<string> {
  const id = uuidv7();
  await client`
    insert into users (id, email, name, password_hash, created_at, updated_at)
    values (${id}, ${`${id}@example.org`}, 'Somebody', '!', now(), now())`;
  await addExercises(id, count);
  return id;
}

async function addExercises(ownerId: string | null, count: number): Promise<void> {
  await client`
    insert into exercises (id, owner_id, name, name_key, slug, difficulty_level, category, created_at, updated_at)
    select id, ${ownerId}::uuid, 'row ' || id, 'row ' || id, case when ${ownerId === null} then id::text end,
      'beginner', 'strength', now(), now()
    from (select gen_random_uuid() as id from generate_series(1, ${count}::int)) each`;
}

/** A store whose statements are counted, and held back while `held` is not resolved. */
function createStore() {
  const pages = createPageCache();
  const seen = { statements: 0, underWay: 0, most: 0 };
  let held: Promise<void> = Promise.resolve();
  const sql: Sql = async (strings, ...values) => {
    seen.statements += 1;
    seen.underWay += 1;
    seen.most = Math.max(seen.most, seen.underWay);
    try {
      const rows = await database.sql(strings, ...values);
      await held;
      // parser: what the statement gave is passed on as it is.
      return rows as never;
    } finally {
      seen.underWay -= 1;
    }
  };
  const store = createHalfStore({ sql, markOf: pages.markOf });
  const hold = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    held = promise;
    return resolve;
  };
  return { store, pages, seen, hold };
}

async function until(isSo: () => boolean): Promise<void> {
  for (let left = 2_000; !isSo(); left -= 1) {
    assert.ok(left > 0, 'It never came.');
    await wait(10);
  }
}

test('a small half is read by the first list, once for all who ask at that moment', async () => {
  const { store, seen } = createStore();
  const halves = await Promise.all(Array.from({ length: 20 }, () => store.read(small)));
  assert.ok(halves.every((half) => half?.size === 30));
  assert.equal(store.peek(small)?.size, 30);
  assert.equal(seen.statements, 1);
});

test('the first list of a large half does not wait for it, and the second has it read for the third', async () => {
  const [owner = ''] = large;
  const { store, seen } = createStore();
  assert.equal(store.peek(owner), undefined);
  assert.equal(seen.statements, 0);
  assert.equal(await store.read(owner), undefined);
  assert.equal(await store.read(owner), undefined);
  await until(() => store.peek(owner) !== undefined);
  assert.equal((await store.read(owner))?.size, 301);
  assert.equal(seen.statements, 2);
});

test('however many large halves are listed, one is read at a time, beside the one of the system', async () => {
  const { store, seen, hold } = createStore();
  for (const owner of large) await store.read(owner);
  const release = hold();
  seen.most = 0;
  for (const owner of [null, ...large, null, ...large]) assert.equal(await store.read(owner), undefined);
  await until(() => seen.underWay === 2);
  assert.equal(seen.most, 2);
  release();
  await until(() => seen.underWay === 0);
  // Whoever had no turn has one later.
  await until(() => {
    for (const owner of large) void store.read(owner);
    return large.every((owner) => store.peek(owner) !== undefined);
  });
  assert.equal(store.peek(null)?.size, 5);
});

test('a half that was read while its rows changed is not at hand after the change', async () => {
  for (const change of ['owner', 'all', 'channel lost and back'] as const) {
    const { store, pages, hold } = createStore();
    const release = hold();
    const early = store.read(small);
    if (change === 'owner') pages.forget(small);
    else if (change === 'all') pages.forgetAll();
    else pages.suspend();
    if (change === 'channel lost and back') {
      assert.equal(await store.read(small), undefined);
      pages.resume();
    }
    release();
    assert.equal((await early)?.size, 30);
    assert.equal(store.peek(small), undefined);
    assert.equal((await store.read(small))?.size, 30);
    assert.equal(store.peek(small)?.size, 30);
    pages.forget(large[0] ?? '');
    pages.forget(null);
    assert.equal(store.peek(small)?.size, 30);
  }
});

test('while no news of changes is heard nothing is read and nothing is at hand', async () => {
  const { store, pages, seen } = createStore();
  await store.read(small);
  pages.suspend();
  const before = seen.statements;
  for (const owner of [null, small, ...large]) {
    assert.equal(store.peek(owner), undefined);
    assert.equal(await store.read(owner), undefined);
  }
  assert.equal(seen.statements, before);
});

test('a read that fails is told to who waits for it, and the next one is tried', async () => {
  const pages = createPageCache();
  let fails = true;
  const sql: Sql = async (strings, ...values) => {
    if (fails) throw new Error('No database.');
    // parser: what the statement gave is passed on as it is.
    return (await database.sql(strings, ...values)) as never;
  };
  const store = createHalfStore({ sql, markOf: pages.markOf });
  await assert.rejects(store.read(small), /No database/);
  assert.equal(await store.read(null), undefined);
  fails = false;
  assert.equal((await store.read(small))?.size, 30);
  await until(() => {
    void store.read(null);
    return store.peek(null) !== undefined;
  });
});
