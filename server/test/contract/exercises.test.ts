import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addItem,
  assertExercise,
  createExercise,
  newName,
  ownExercise,
  systemExercise,
} from '../support/catalog.ts';
import { assertId, assertInstant, assertInvalid, assertProblem } from '../support/expectations.ts';
import {
  call,
  enter,
  enterAsSuperuser,
  member,
  type SignedIn,
  signIn,
  startTestService,
  textMember,
} from '../support/service.ts';

const service = await startTestService({ environment: { CDN_URL: 'https://cdn.example.org/images/' } });
const superuser = await enterAsSuperuser(service);
const person = await enter(service);
const stranger = await enter(service);
const trainer = await enterAsTrainer();
const chest = await addItem(service, superuser, 'muscle-groups', 'chest');
const triceps = await addItem(service, superuser, 'muscle-groups', 'triceps');
const bar = await addItem(service, superuser, 'equipment', 'barbell');
const home = await addItem(service, superuser, 'exercise-tags', 'home');

const own = (fields: object = {}) => ownExercise(chest, fields);
const system = (fields: object = {}) => systemExercise(chest, home, fields);

async function enterAsTrainer(): Promise<SignedIn> {
  const someone = await enter(service);
  await service.sql`update users set role_slug = 'fitness-trainer' where id = ${someone.id}`;
  return await signIn(service, someone);
}

const send = (method: string, path: string, who: SignedIn, json?: object) =>
  call(service, `/api/v1/exercises${path}`, {
    method,
    bearer: who.accessToken,
    ...(json === undefined ? {} : { json }),
  });

test('a custom exercise has what was given, and null or nothing for what was not', async () => {
  const least = await send('POST', '/user', person, own({ name: '  Least \t Press ' }));
  assert.equal(least.status, 201, JSON.stringify(least.body));
  assertExercise(least.body, {
    name: 'Least Press',
    primaryMuscles: [{ id: chest, name: 'chest' }],
    secondaryMuscles: [],
    force: null,
    difficultyLevel: 'beginner',
    mechanic: null,
    equipment: [],
    category: 'strength',
    instructions: null,
    imagePathStart: null,
    imagePathEnd: null,
    tags: [],
    slug: null,
    createdBy: person.id,
  });
  assertId(member(least.body, 'id'));
  assertInstant(member(least.body, 'createdAt'));
  assert.equal(member(least.body, 'createdAt'), member(least.body, 'updatedAt'));
  const most = {
    name: newName(),
    primaryMuscles: [triceps, chest, chest],
    secondaryMuscles: [triceps],
    force: 'push',
    difficultyLevel: 'expert',
    mechanic: 'compound',
    equipment: [bar],
    category: 'olympic weightlifting',
    instructions: 'Line one.\nLine two. \u{1f4aa}',
  };
  const full = await send('POST', '/user', person, most);
  assert.equal(full.status, 201);
  assertExercise(full.body, {
    ...most,
    primaryMuscles: [
      { id: chest, name: 'chest' },
      { id: triceps, name: 'triceps' },
    ],
    secondaryMuscles: [{ id: triceps, name: 'triceps' }],
    equipment: [{ id: bar, name: 'barbell' }],
  });
  const again = await send('GET', `/${textMember(full.body, 'id')}`, person);
  assert.equal(again.status, 200);
  assert.deepEqual(again.body, full.body);
});

test('a system exercise has a slug, no owner, and images behind the address of the CDN', async () => {
  const images = { imagePathStart: '/bench_press/0.jpg', imagePathEnd: '/bench-press/1.webp' };
  const answer = await send(
    'POST',
    '/system',
    superuser,
    system({ name: 'B\u00e9nch / Press (wide)', ...images }),
  );
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  assertExercise(answer.body, {
    slug: 'bench-press-wide',
    createdBy: null,
    tags: [{ id: home, name: 'home' }],
    instructions: 'Lift it.',
    imagePathStart: 'https://cdn.example.org/images/bench_press/0.jpg',
    imagePathEnd: 'https://cdn.example.org/images/bench-press/1.webp',
  });
  const [stored] = await service.sql`
    select image_path_start as start from exercises where slug = 'bench-press-wide'`;
  assert.equal(stored?.start, images.imagePathStart);
});

test('who may read: the owner, a fitness trainer, and anybody one of the system', async () => {
  const mine = await createExercise(service, person, 'user', own());
  const ours = await createExercise(service, superuser, 'system', system());
  for (const who of [person, trainer]) assert.equal((await send('GET', `/${mine}`, who)).status, 200);
  for (const who of [stranger, superuser]) {
    assertProblem(await send('GET', `/${mine}`, who), 403, 'not-permitted');
  }
  for (const who of [person, stranger, trainer, superuser]) {
    assert.equal((await send('GET', `/${ours}`, who)).status, 200);
    assert.equal((await send('GET', `/${ours.toUpperCase()}`, who)).status, 200);
    const nobody = await send('GET', '/0199ffff-ffff-7fff-bfff-ffffffffffff', who);
    assertProblem(nobody, 404, 'exercise-not-found');
    assertInvalid(await send('GET', '/nonsense', who), 'id uuid_parsing');
  }
});

test('who may delete: the owner, and a superuser one of the system', async () => {
  const mine = await createExercise(service, person, 'user', own());
  const ours = await createExercise(service, superuser, 'system', system());
  for (const who of [stranger, trainer, superuser]) {
    assertProblem(await send('DELETE', `/${mine}`, who), 403, 'not-permitted');
  }
  for (const who of [person, stranger, trainer]) {
    assertProblem(await send('DELETE', `/${ours}`, who), 403, 'not-permitted');
  }
  for (const [id, who] of [
    [mine, person],
    [ours, superuser],
  ] as const) {
    assert.equal((await send('GET', `/${id}`, who)).status, 200);
    assert.equal((await send('DELETE', `/${id}`, who)).status, 204);
    assertProblem(await send('DELETE', `/${id}`, who), 404, 'exercise-not-found');
    assertProblem(await send('GET', `/${id}`, who), 404, 'exercise-not-found');
  }
});

test('who may change: the owner alone, and a superuser one of the system; for others it is not there', async () => {
  const mine = await createExercise(service, person, 'user', own());
  const ours = await createExercise(service, superuser, 'system', system());
  const change = { instructions: 'Taken over' };
  for (const who of [stranger, trainer, superuser]) {
    assertProblem(await send('PATCH', `/user/${mine}`, who, change), 404, 'exercise-not-found');
  }
  assertProblem(await send('PATCH', `/user/${ours}`, superuser, change), 404, 'exercise-not-found');
  assertProblem(await send('PATCH', `/system/${mine}`, superuser, change), 404, 'exercise-not-found');
  for (const who of [person, stranger, trainer]) {
    assertProblem(await send('PATCH', `/system/${ours}`, who, change), 403, 'not-permitted');
    assertProblem(await send('POST', '/system', who, {}), 403, 'not-permitted');
  }
  const rows = await service.sql`select id from exercises where instructions = 'Taken over'`;
  assert.equal(rows.length, 0);
});

test('a visitor gets nowhere', async () => {
  const id = '0199ffff-ffff-7fff-bfff-ffffffffffff';
  for (const [method, path] of [
    ['GET', ''],
    ['GET', '?pageSize=0'],
    ['GET', `/${id}`],
    ['GET', '/criteria/?name=x'],
    ['POST', '/user'],
    ['POST', '/system'],
    ['PATCH', `/user/${id}`],
    ['PATCH', `/system/${id}`],
    ['DELETE', `/${id}`],
  ] as const) {
    const answer = await call(service, `/api/v1/exercises${path}`, { method });
    assertProblem(answer, 401, 'not-authenticated');
  }
});

test('a change leaves what is absent, replaces what is given and clears what may be null', async () => {
  const given = own({
    secondaryMuscles: [triceps],
    equipment: [bar],
    force: 'pull',
    mechanic: 'isolation',
    instructions: 'Some',
  });
  const id = await createExercise(service, person, 'user', given);
  const before = await send('GET', `/${id}`, person);
  service.clock.advance(1000);
  const same = await send('PATCH', `/user/${id}`, person, {});
  assert.equal(same.status, 200);
  const { updatedAt: _before, ...rest } = Object(before.body);
  const { updatedAt: _after, ...restSame } = Object(same.body);
  assert.deepEqual(restSame, rest);
  assert.ok(textMember(same.body, 'updatedAt') > textMember(before.body, 'updatedAt'));
  const name = newName('Renamed');
  const changed = await send('PATCH', `/user/${id}`, person, {
    name,
    primaryMuscles: [triceps],
    category: 'cardio',
  });
  assertExercise(changed.body, {
    ...rest,
    name,
    primaryMuscles: [{ id: triceps, name: 'triceps' }],
    category: 'cardio',
    updatedAt: textMember(changed.body, 'updatedAt'),
  });
  const cleared = await send('PATCH', `/user/${id}`, person, {
    secondaryMuscles: null,
    equipment: null,
    force: null,
    mechanic: null,
    instructions: null,
  });
  const empty = { secondaryMuscles: [], equipment: [], force: null, mechanic: null, instructions: null };
  assertExercise(cleared.body, { ...empty, name });
});

test('the slug of a system exercise follows its name', async () => {
  const id = await createExercise(service, superuser, 'system', system({ name: 'Before Name' }));
  const renamed = await send('PATCH', `/system/${id}`, superuser, { name: 'After  Name', tags: [home] });
  assertExercise(renamed.body, { name: 'After Name', slug: 'after-name' });
  assert.equal((await send('GET', '/criteria/?slug=after-name', person)).status, 200);
  assertProblem(await send('GET', '/criteria/?slug=before-name', person), 404, 'exercise-not-found');
});

test('ids that do not exist are a 404 whose sentence names them', async () => {
  const cases: [object, string][] = [
    [{ primaryMuscles: [99_999] }, 'Primary muscles not found: [99999]'],
    [{ primaryMuscles: [99_998, chest, 99_997] }, 'Primary muscles not found: [99998, 99997]'],
    [{ secondaryMuscles: [99_999] }, 'Secondary muscles not found: [99999]'],
    [
      { primaryMuscles: [99_999], secondaryMuscles: [99_999] },
      'Primary [99999] and secondary [99999] muscles not found',
    ],
    [{ equipment: [99_999] }, 'Equipment not found: [99999]'],
  ];
  const mine = await createExercise(service, person, 'user', own());
  const ours = await createExercise(service, superuser, 'system', system());
  for (const [fields, sentence] of cases) {
    for (const answer of [
      await send('POST', '/user', person, own(fields)),
      await send('PATCH', `/user/${mine}`, person, fields),
      await send('POST', '/system', superuser, system(fields)),
      await send('PATCH', `/system/${ours}`, superuser, fields),
    ]) {
      assertProblem(answer, 404, 'exercise-references-not-found');
      assert.equal(textMember(answer.body, 'detail'), sentence);
    }
  }
  const tags = await send('POST', '/system', superuser, system({ tags: [99_999] }));
  assert.equal(textMember(tags.body, 'detail'), 'Tags not found: [99999]');
});

test('a name is taken once in an account, and by others all the same', async () => {
  const name = newName('Taken');
  const id = await createExercise(service, person, 'user', own({ name }));
  const other = await createExercise(service, person, 'user', own());
  for (const again of [name, name.toUpperCase(), ` ${name.replace(' ', '   ')}`]) {
    const answer = await send('POST', '/user', person, own({ name: again }));
    assertProblem(answer, 409, 'exercise-name-taken');
    assertProblem(await send('PATCH', `/user/${other}`, person, { name: again }), 409, 'exercise-name-taken');
  }
  await createExercise(service, stranger, 'user', own({ name }));
  await createExercise(service, superuser, 'system', system({ name }));
  assert.equal((await send('PATCH', `/user/${id}`, person, { name })).status, 200, 'its own name again');
  // What does not exist comes before what is in conflict.
  const missing = await send('POST', '/user', person, own({ name, equipment: [99_999] }));
  assertProblem(missing, 404, 'exercise-references-not-found');
});

test('names of system exercises that make one slug collide', async () => {
  const id = await createExercise(service, superuser, 'system', system({ name: 'Aa/Bb' }));
  const other = await createExercise(service, superuser, 'system', system());
  for (const name of ['Aa Bb', 'Aa-Bb', ' aa  bb!']) {
    assertProblem(await send('POST', '/system', superuser, system({ name })), 409, 'exercise-slug-taken');
    const change = await send('PATCH', `/system/${other}`, superuser, { name });
    assertProblem(change, 409, 'exercise-slug-taken');
  }
  assertProblem(
    await send('POST', '/system', superuser, system({ name: 'AA/BB' })),
    409,
    'exercise-name-taken',
  );
  assert.equal((await send('PATCH', `/system/${id}`, superuser, { name: 'Aa-Bb' })).status, 200);
  assertInvalid(await send('POST', '/system', superuser, system({ name: '!?!' })), 'name value_error');
});

test('of parallel creations of one name one succeeds', async () => {
  for (const [path, who, make] of [
    ['/user', person, own],
    ['/system', superuser, system],
  ] as const) {
    const name = newName('Raced');
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => send('POST', path, who, make({ name }))),
    );
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409, 409], path);
    const rows = await service.sql`select id from exercises where name = ${name}`;
    assert.equal(rows.length, 1);
  }
});

test('criteria find an own exercise by name and one of the system by slug, and take exactly one of both', async () => {
  const name = newName('Sought');
  const mine = await createExercise(service, person, 'user', own({ name }));
  const ours = await createExercise(service, superuser, 'system', system({ name: 'Sought Slug' }));
  const find = (query: object, who = person) =>
    send('GET', `/criteria/?${new URLSearchParams({ ...query })}`, who);
  assert.equal(member((await find({ name })).body, 'id'), mine);
  assert.equal(member((await find({ name: name.toUpperCase() })).body, 'id'), mine);
  assert.equal(member((await find({ slug: 'sought-slug' })).body, 'id'), ours);
  for (const who of [stranger, trainer, superuser]) {
    assertProblem(await find({ name }, who), 404, 'exercise-not-found');
  }
  assertProblem(await find({ name: 'Sought Slug' }), 404, 'exercise-not-found');
  for (const query of [{}, { name, slug: 'sought-slug' }]) {
    assertProblem(await find(query), 400, 'criteria-unclear');
  }
  assertInvalid(await find({ id: mine }), 'id extra_forbidden');
});

test('the longest slug that a name can make is found again', async () => {
  // U+FDFA stands for 18 characters.
  const name = '\ufdfa'.repeat(100);
  const made = await send('POST', '/system', superuser, system({ name }));
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const slug = textMember(made.body, 'slug');
  assert.equal(slug.length, 1800);
  const found = await send('GET', `/criteria/?${new URLSearchParams({ slug })}`, person);
  assert.equal(member(found.body, 'id'), member(made.body, 'id'));
});

test('deleting a user deletes their exercises', async () => {
  const leaver = await enter(service);
  const id = await createExercise(service, leaver, 'user', own());
  const gone = await call(service, `/api/v1/users/${leaver.id}`, {
    method: 'DELETE',
    bearer: superuser.accessToken,
  });
  assert.equal(gone.status, 204);
  assertProblem(await send('GET', `/${id}`, trainer), 404, 'exercise-not-found');
});

test('changes of system exercises are in the audit trail, those of custom ones are not', async () => {
  const ours = await createExercise(service, superuser, 'system', system());
  const mine = await createExercise(service, person, 'user', own());
  await send('PATCH', `/system/${ours}`, superuser, { force: 'static' });
  await send('DELETE', `/${ours}`, superuser);
  await send('DELETE', `/${mine}`, person);
  const actions = (id: string) => service.sql`
    select action, actor_id as actor from audit_entries where details->>'exerciseId' = ${id} order by id`;
  assert.deepEqual(
    (await actions(ours)).map(({ action, actor }) => [action, actor]),
    ['exercise.created', 'exercise.updated', 'exercise.deleted'].map((action) => [action, superuser.id]),
  );
  assert.deepEqual([...(await actions(mine))], []);
});
