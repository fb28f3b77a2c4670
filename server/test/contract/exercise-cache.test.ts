import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addItem, createExercise, newName, ownExercise, systemExercise } from '../support/catalog.ts';
import { assertProblem, eventually, itemsOf } from '../support/expectations.ts';
import {
  type Answer,
  call,
  enter,
  enterAsSuperuser,
  member,
  type SignedIn,
  startTestService,
  textMember,
} from '../support/service.ts';

const service = await startTestService();
const other = await startTestService({ beside: service });
const superuser = await enterAsSuperuser(service);
const person = await enter(service);
const muscle = await addItem(service, superuser, 'muscle-groups', 'muscle');
const bar = await addItem(service, superuser, 'equipment', 'barbell');
const tag = await addItem(service, superuser, 'exercise-tags', 'tag');

const path = '/api/v1/exercises?pageSize=100';
const list = (who: SignedIn = person, at = service, headers: Record<string, string> = {}) =>
  call(at, path, { bearer: who.accessToken, headers });
const namesIn = ({ body }: Answer) => itemsOf(body).map((item) => textMember(item, 'name'));
const tagOf = ({ headers }: Answer) => headers.get('etag') ?? '';

/** So that the next answer comes out of the cache, on both nodes. */
async function warm(who: SignedIn = person): Promise<void> {
  for (const node of [service, other]) {
    await eventually(async () => (await list(who, node)).status === 200);
    await list(who, node);
  }
}

const ownId = await createExercise(service, person, 'user', ownExercise(muscle, { name: 'Own one' }));
const systemId = await createExercise(
  service,
  superuser,
  'system',
  systemExercise(muscle, tag, { name: 'System one', equipment: [bar] }),
);

const writes: [string, () => Promise<Answer>, (answer: Answer) => boolean][] = [
  [
    'a new exercise of the person',
    () => send('POST', '/user', person, ownExercise(muscle, { name: 'Created here' })),
    (answer) => namesIn(answer).includes('Created here'),
  ],
  [
    'a new exercise of the system',
    () => send('POST', '/system', superuser, systemExercise(muscle, tag, { name: 'Created for all' })),
    (answer) => namesIn(answer).includes('Created for all'),
  ],
  [
    'a new name',
    () => send('PATCH', `/user/${ownId}`, person, { name: 'Own renamed' }),
    (answer) => namesIn(answer).includes('Own renamed') && !namesIn(answer).includes('Own one'),
  ],
  [
    'a changed list',
    () => send('PATCH', `/system/${systemId}`, superuser, { equipment: null }),
    (answer) => !JSON.stringify(answer.body).includes('barbell'),
  ],
  [
    'a deleted exercise of the system',
    () => send('DELETE', `/${systemId}`, superuser),
    (answer) => !namesIn(answer).includes('System one'),
  ],
  [
    'a deleted exercise of the person',
    () => send('DELETE', `/${ownId}`, person),
    (answer) => !namesIn(answer).includes('Own renamed'),
  ],
];

const send = (method: string, target: string, who: SignedIn, json?: object) =>
  call(service, `/api/v1/exercises${target}`, {
    method,
    bearer: who.accessToken,
    ...(json === undefined ? {} : { json }),
  });

for (const [what, write, isSeen] of writes) {
  test(`${what} is seen in the very next list of this node, and of another`, async () => {
    await warm();
    assert.equal(isSeen(await list()), false);
    const { status, body } = await write();
    assert.ok(status < 300, JSON.stringify(body));
    assert.ok(isSeen(await list()));
    await eventually(async () => isSeen(await list(person, other)));
  });
}

const byHand: [string, (id: string) => Promise<unknown>, (text: string) => boolean][] = [
  [
    'renamed',
    (id) => service.sql`update exercises set name = 'By hand' where id = ${id}`,
    (text) => text.includes('By hand'),
  ],
  [
    'given equipment',
    (id) => service.sql`insert into exercise_equipment values (${id}, ${bar})`,
    (text) => text.includes('barbell'),
  ],
  [
    'given tags',
    (id) => service.sql`insert into exercise_tagging values (${id}, ${tag})`,
    (text) => text.includes('"tag"'),
  ],
  [
    'given secondary muscles',
    (id) => service.sql`insert into exercise_secondary_muscles values (${id}, ${muscle})`,
    (text) => text.includes('"secondaryMuscles":[{'),
  ],
  [
    'left without primary muscles',
    (id) => service.sql`delete from exercise_primary_muscles where exercise_id = ${id}`,
    (text) => text.includes('"primaryMuscles":[]'),
  ],
  [
    'deleted',
    (id) => service.sql`delete from exercises where id = ${id}`,
    (text) => text.includes('"items":[]'),
  ],
  [
    'left without muscles that are deleted',
    () => service.sql`update muscle_groups set name = 'renamed by hand' where id = ${muscle}`,
    (text) => text.includes('renamed by hand'),
  ],
  [
    'wiped out with all others',
    () =>
      service.sql.begin(async (tx) => {
        await tx`set local client_min_messages = warning`;
        await tx`truncate exercises cascade`;
      }),
    (text) => text.includes('"items":[]'),
  ],
];

for (const [what, change, isSeen] of byHand) {
  test(`an exercise that is ${what} by hand in SQL is seen so on every node`, async () => {
    const owner = await enter(service);
    const id = await createExercise(service, owner, 'user', ownExercise(muscle));
    const own = async (at = service) =>
      JSON.stringify((await call(at, '/api/v1/exercises?scope=user', { bearer: owner.accessToken })).body);
    for (const node of [service, other]) {
      await eventually(async () => (await own(node)).includes(id));
      assert.equal(isSeen(await own(node)), false);
    }
    await change(id);
    for (const node of [service, other]) await eventually(async () => isSeen(await own(node)));
  });
}

test('an import for many owners at once is seen by each of them', async () => {
  await service.sql`
    insert into users (id, email, password_hash, created_at, updated_at)
    select gen_random_uuid(), 'many-' || i || '@example.org', 'x', now(), now() from generate_series(1, 150) i`;
  await warm();
  await service.sql`
    insert into exercises (id, owner_id, name, name_key, difficulty_level, category, created_at, updated_at)
    select gen_random_uuid(), id, 'Imported', 'imported', 'expert', 'cardio', now(), now() from users`;
  await eventually(async () => namesIn(await list()).includes('Imported'));
  await eventually(async () => namesIn(await list(person, other)).includes('Imported'));
});

test('a node that was cut off from the news keeps no page from before, and hears again', async () => {
  await warm();
  await service.sql.begin(async (tx) => {
    const killed = await tx`
      select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where datname = current_database() and application_name = 'irontrack' and query ilike any
        (array['listen %', 'select pg_notify(%'])`;
    assert.ok(killed.length > 0);
    await tx`update exercises set name = 'While deaf', name_key = 'while deaf' where owner_id = ${person.id}
      and name = 'Imported'`;
  });
  for (const node of [service, other]) {
    await eventually(async () => namesIn(await list(person, node)).includes('While deaf'));
  }
  await service.sql`
    update exercises set name = 'Heard again', name_key = 'heard again' where owner_id = ${person.id}`;
  for (const node of [service, other]) {
    await eventually(async () => namesIn(await list(person, node)).includes('Heard again'));
  }
});

test('a page has a tag, and whoever has it already gets a 304 without a body', async () => {
  await warm();
  const first = await list();
  const etag = tagOf(first);
  assert.match(etag, /^"[\w-]{20,}"$/);
  assert.equal(first.headers.get('cache-control'), 'private, no-cache');
  for (const header of [etag, `W/${etag}`, `"x", ${etag}`, `"x",W/${etag} , "y"`, '*']) {
    const answer = await list(person, service, { 'if-none-match': header });
    assert.equal(answer.status, 304, header);
    assert.equal(answer.body, '');
    assert.equal(tagOf(answer), etag);
    assert.equal(answer.headers.get('cache-control'), 'private, no-cache');
    assert.ok((answer.headers.get('x-request-id') ?? '') !== '');
  }
  for (const header of ['"x"', etag.slice(1, -1), '', `${etag}x`]) {
    const answer = await list(person, service, { 'if-none-match': header });
    assert.equal(answer.status, 200, header);
    assert.deepEqual(answer.body, first.body);
  }
  assert.equal(tagOf(await list(person, other)), etag, 'on every node the same');
  await createExercise(service, person, 'user', ownExercise(muscle));
  const changed = await list(person, service, { 'if-none-match': etag });
  assert.equal(changed.status, 200);
  assert.notEqual(tagOf(changed), etag);
});

test('a page out of the cache is the page that was made, headers and all', async () => {
  const headersOf = ({ headers }: Answer) =>
    [...headers]
      .filter(([name]) => !['x-request-id', 'date', 'connection', 'keep-alive'].includes(name))
      .sort();
  const target = `${path}&searchString=${encodeURIComponent(newName())}`;
  const ask = (at: string) => call(service, at, { bearer: person.accessToken });
  const [made, kept, spelt] = [
    await ask(target),
    await ask(target),
    await ask(target.replace('100', '0100')),
  ];
  assert.equal(made.status, 200);
  assert.deepEqual(kept.body, made.body);
  assert.deepEqual(headersOf(kept), headersOf(made));
  assert.deepEqual(spelt.body, made.body);
  const head = await call(service, target, { method: 'HEAD', bearer: person.accessToken });
  assert.equal(head.status, 200);
  assert.equal(head.body, '');
  assert.deepEqual(headersOf(head), headersOf(made));
  const cookies = await call(service, target, { cookies: person.cookies });
  assert.deepEqual(headersOf(cookies), headersOf(made));
});

test('a page that is at hand is not for somebody who is signed out, deactivated or somebody else', async () => {
  const leaver = await enter(service);
  const secret = newName('Secret');
  await createExercise(service, leaver, 'user', ownExercise(muscle, { name: secret }));
  await warm(leaver);
  assert.ok(namesIn(await list(leaver)).includes(secret));
  assert.ok(!namesIn(await list(person)).includes(secret));
  const etag = tagOf(await list(leaver));
  const stolen = await list(person, service, { 'if-none-match': etag });
  assert.equal(stolen.status, 200);
  assert.ok(!namesIn(stolen).includes(secret));
  assertProblem(await call(service, path), 401, 'not-authenticated');
  assertProblem(await call(service, path, { bearer: `${leaver.accessToken}x` }), 401, 'not-authenticated');
  await call(service, '/api/v1/auth/logout', { method: 'POST', bearer: leaver.accessToken });
  assertProblem(await list(leaver), 401, 'not-authenticated');
  assertProblem(await list(leaver, service, { 'if-none-match': etag }), 401, 'not-authenticated');
});

test('whoever asks many times at once while it changes never sees an older list after a newer one', async () => {
  const writer = await enter(service);
  const countOf = async () =>
    Number(
      member(
        (await call(service, '/api/v1/exercises?scope=user&pageSize=1', { bearer: writer.accessToken })).body,
        'total',
      ),
    );
  let written = 0;
  let isOver = false;
  const readers = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      const least = written;
      const seen = await countOf();
      assert.ok(seen >= least, `saw ${seen} after ${least} had been answered`);
    }
  });
  const write = async () => {
    for (let count = 0; count < 30; count += 1) {
      await createExercise(service, writer, 'user', ownExercise(muscle));
      written += 1;
    }
    isOver = true;
  };
  await Promise.all([...readers, write().finally(() => (isOver = true))]);
  assert.equal(await countOf(), 30);
});
