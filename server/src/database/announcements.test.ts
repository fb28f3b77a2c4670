import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import postgres from 'postgres';
import { createDatabaseProxy } from '../../test/faults/database-proxy.ts';
import { createTestDatabase } from '../../test/support/database.ts';
import { listenForChanges } from './announcements.ts';
import type { DatabaseAddress } from './client.ts';

const address = await createTestDatabase();
const sql = postgres({ ...address, max: 1, onnotice: () => undefined });
after(() => sql.end({ timeout: 1 }));

/** Listens and keeps what it heard, in order. */
async function listen(at: DatabaseAddress = address) {
  const heard: string[] = [];
  let waiting: (() => void)[] = [];
  const note = (what: string) => {
    heard.push(what);
    for (const wake of waiting) wake();
    waiting = [];
  };
  const announcements = await listenForChanges(at, {
    changed: (topic, id) => note(`${topic} ${id}`),
    disconnected: () => note('disconnected'),
    connected: () => note('connected'),
  });
  return {
    heard,
    close: () => announcements.close(),
    /** Resolves when something was heard, now or earlier. */
    async until(what: string): Promise<void> {
      const signal = AbortSignal.timeout(10_000);
      while (!heard.includes(what)) {
        await new Promise<void>((resolve, reject) => {
          waiting.push(resolve);
          signal.addEventListener('abort', () => reject(new Error(`"${what}" was not heard: ${heard}`)));
        });
      }
    },
  };
}

async function insertUser(): Promise<string> {
  const id = randomUUID();
  await sql`
    insert into users (id, email, password_hash, created_at, updated_at)
    values (${id}, ${`${id}@example.org`}, 'x', now(), now())`;
  return id;
}

async function insertSession(userId: string): Promise<string> {
  const id = randomUUID();
  await sql`
    insert into sessions
      (id, user_id, tag_key, current_hash, created_at, last_seen_at, idle_ends_at, absolute_ends_at)
    values (${id}, ${userId}, '\\x00', '\\x00', now(), now(), now() + interval '1 day', now() + interval '1 day')`;
  return id;
}

/** Everything that was announced before this has been heard after it. */
async function settle(listener: Awaited<ReturnType<typeof listen>>): Promise<string[]> {
  const mark = randomUUID();
  await sql`select pg_notify('irontrack_changes', ${`user:${mark}`})`;
  await listener.until(`user ${mark}`);
  return listener.heard.filter((what) => !what.endsWith(mark) && what !== 'connected');
}

const killListeners = async () => {
  const killed = await sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and application_name = 'irontrack'`;
  assert.ok(killed.length > 0);
};

test('a change made by hand in SQL is heard: of a user, of a session that ends, of a deletion', async () => {
  const listener = await listen();
  assert.deepEqual(listener.heard, ['connected']);
  const user = await insertUser();
  const session = await insertSession(user);
  const other = await insertSession(user);
  await sql`update users set role_slug = 'superuser' where id = ${user}`;
  await sql`update sessions set ended_at = now() where id = ${session}`;
  await sql`delete from sessions where id = ${other}`;
  await sql`delete from users where id = ${user}`;
  assert.deepEqual(await settle(listener), [
    `user ${user}`,
    `session ${session}`,
    `session ${other}`,
    `user ${user}`,
  ]);
  await listener.close();
});

test('what makes nothing stale is not announced, nor what was rolled back', async () => {
  const listener = await listen();
  const user = await insertUser();
  const session = await insertSession(user);
  await sql`update users set name = name where id = ${user}`;
  await sql`update sessions set last_seen_at = now(), generation = 2 where id = ${session}`;
  await sql
    .begin(async (tx) => {
      await tx`update users set name = 'x' where id = ${user}`;
      throw new Error('rolled back');
    })
    .catch(() => undefined);
  assert.deepEqual(await settle(listener), []);
  await listener.close();
});

test('the sessions that go with a deleted user are announced too', async () => {
  const listener = await listen();
  const user = await insertUser();
  const session = await insertSession(user);
  await sql`delete from users where id = ${user}`;
  assert.deepEqual((await settle(listener)).sort(), [`session ${session}`, `user ${user}`]);
  await listener.close();
});

test('signing keys that are added, cut short or deleted are announced, and one that is renewed is not', async () => {
  const listener = await listen();
  await sql`
    insert into signing_keys (kid, public_jwk, created_at, verify_until)
    values ('k', '{}', now(), now() + interval '1 hour')`;
  await sql`update signing_keys set verify_until = now() + interval '2 hours'`;
  await sql`update signing_keys set verify_until = now()`;
  await sql`delete from signing_keys`;
  assert.deepEqual(await settle(listener), ['signing-keys ', 'signing-keys ', 'signing-keys ']);
  await listener.close();
});

test('a listener that is cut off says so at once and hears again after it says that it is connected', async () => {
  const listener = await listen();
  listener.heard.length = 0;
  await killListeners();
  await listener.until('connected');
  assert.deepEqual(listener.heard, ['disconnected', 'connected']);
  const user = await insertUser();
  await sql`update users set name = 'heard again' where id = ${user}`;
  assert.deepEqual(await settle(listener), ['disconnected', `user ${user}`]);
  await listener.close();
});

test('a listener that is cut off again and again comes back each time', async () => {
  const listener = await listen();
  for (let round = 0; round < 3; round += 1) {
    listener.heard.length = 0;
    await killListeners();
    await listener.until('connected');
  }
  assert.deepEqual(listener.heard, ['disconnected', 'connected']);
  await listener.close();
});

test('a listener that is closed hears nothing more and leaves no connection', async () => {
  const listener = await listen();
  await listener.close();
  listener.heard.length = 0;
  const user = await insertUser();
  await sql`update users set name = 'unheard' where id = ${user}`;
  const other = await listen();
  await settle(other);
  await other.close();
  assert.deepEqual(listener.heard, []);
  const left = () => sql`
    select 1 from pg_stat_activity
    where datname = current_database() and application_name = 'irontrack' and pid <> pg_backend_pid()`;
  const deadline = Date.now() + 5_000;
  while ((await left()).length > 0 && Date.now() < deadline) await new Promise((r) => setTimeout(r, 20));
  assert.equal((await left()).length, 0);
});

test('a message of nobody we know is ignored', async () => {
  const listener = await listen();
  for (const payload of ['', 'nonsense', 'nonsense:1', ':', 'users:1']) {
    await sql`select pg_notify('irontrack_changes', ${payload})`;
  }
  assert.deepEqual(await settle(listener), []);
  await listener.close();
});

test('a listener whose other end vanishes without a word says so, and hears again when it is back', async () => {
  const proxy = createDatabaseProxy();
  const listener = await listen(await proxy.reach(address));
  // A while in which it is asked and answers.
  await pause(2_500);
  assert.deepEqual(listener.heard, ['connected']);
  listener.heard.length = 0;
  proxy.pause();
  await listener.until('disconnected');
  proxy.restore();
  await listener.until('connected');
  await listener.close();
});

test('a process that was too busy to listen does not take that for a lost connection', async () => {
  const listener = await listen();
  const sleeping = new Int32Array(new SharedArrayBuffer(4));
  for (let round = 0; round < 4; round += 1) {
    // Longer than an answer may take; in the turn between, the next question is asked.
    Atomics.wait(sleeping, 0, 0, 2_500);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await pause(500);
  assert.deepEqual(listener.heard, ['connected']);
  await listener.close();
});
