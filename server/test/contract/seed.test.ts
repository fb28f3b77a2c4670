import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedExercises } from '../../src/exercises/seed/seed-exercises.ts';
import { seedEquipment, seedMuscleGroups, seedTags } from '../../src/exercises/seed/vocabulary.ts';
import { runCommand, startServer } from '../faults/process.ts';
import { type Catalog, countRows, openCatalog, readAll, readExercise } from '../support/exercise-data.ts';

test('seed fills an empty catalog, and puts back only what is missing', async () => {
  const catalog = await openCatalog();
  const first = await catalog.irontrack('seed');
  assert.equal(first.status, 0, first.stderr);
  assert.equal(
    first.stdout,
    `Added to the catalog: muscle groups ${seedMuscleGroups.length}, equipment ${seedEquipment.length}, ` +
      `tags ${seedTags.length}, exercises ${seedExercises.length}.\n`,
  );
  assert.deepEqual(await readExercise(catalog, 'push-up'), {
    name: 'Push-Up',
    force: 'push',
    level: 'beginner',
    category: 'strength',
    instructions: seedExercises.find(({ name }) => name === 'Push-Up')?.steps.join('\n'),
    start: null,
    end: null,
    primary: '{chest}',
    secondary: '{abdominals,shoulders,triceps}',
    equipment: '{"body weight"}',
    tags: '{bodyweight,"home workout","horizontal push","upper body"}',
  });
  const before = await readAll(catalog);
  const second = await catalog.irontrack('seed');
  assert.equal(second.stdout, 'The catalog is complete: nothing was added.\n');
  assert.deepEqual(await readAll(catalog), before);

  await catalog.sql`delete from exercises where slug = 'push-up'`;
  await catalog.sql`update exercises set name = 'Hold', name_key = 'hold' where slug = 'plank'`;
  const third = await catalog.irontrack('seed');
  assert.match(third.stdout, /muscle groups 0, equipment 0, tags 0, exercises 1\./);
  assert.equal((await readExercise(catalog, 'plank'))?.name, 'Hold');
});

test('two seeds at the same moment add everything once', async () => {
  const catalog = await openCatalog();
  const both = await Promise.all([catalog.irontrack('seed'), catalog.irontrack('seed')]);
  assert.deepEqual(
    both.map(({ status, stderr }) => [status, stderr]),
    [
      [0, ''],
      [0, ''],
    ],
  );
  assert.equal(both.filter(({ stdout }) => stdout.includes('nothing was added')).length, 1);
  assert.equal(await countRows(catalog, 'exercises'), seedExercises.length);
});

test('the first start fills the catalog, and a later one does not bring back what was deleted', async () => {
  const catalog = await openCatalog();
  const server = await startServer(catalog.environment);
  assert.equal(await countRows(catalog, 'exercises'), seedExercises.length);
  const [entry] = await catalog.sql`select 1 from audit_entries where action = 'exercise.created'`;
  assert.equal(entry, undefined, 'nobody changed anything');
  server.signal('SIGTERM');
  await server.finished;
  await catalog.sql`delete from exercises where slug = 'push-up'`;
  const again = await startServer(catalog.environment);
  assert.equal(await countRows(catalog, 'exercises'), seedExercises.length - 1);
  assert.doesNotMatch(again.output(), /catalog/);
  again.signal('SIGTERM');
  assert.equal((await again.finished).status, 0);
});

test('seed --exercises generates the same data for the same seed, once', async () => {
  const [catalog, other] = await Promise.all([openCatalog(), openCatalog()]);
  const heard: string[] = [];
  const listener = await catalog.sql.listen('irontrack_changes', (news) => heard.push(news));
  const [first] = await Promise.all([
    catalog.irontrack('seed', '--exercises', '2000', '--seed', '7'),
    other.irontrack('seed', '--exercises', '2000', '--seed', '7'),
  ]);
  assert.equal(first.status, 0, first.stderr);
  assert.match(
    first.stdout,
    /Generated 2,000 exercises: [\d,]+ rows .* in [\d.]+ s, [\d,]+ rows a second\.\n$/,
  );
  assert.equal(first.stderr, '', 'a short run says nothing on the way');
  assert.equal(await countRows(catalog, 'exercises'), seedExercises.length + 2_000);
  assert.equal(await countRows(catalog, 'users'), 40);
  const [system] = await catalog.sql`
    select count(*)::int as count from exercises where owner_id is null and created_at < '2026-01-01'`;
  assert.deepEqual(system, { count: 20 });
  const exercises = (from: Catalog) => from.sql`
    select id, owner_id, name, instructions from exercises where created_at < '2026-01-01' order by id`;
  assert.deepEqual(await exercises(catalog), await exercises(other));
  // The foreign keys were not checked on the way, so they are here.
  for (const table of ['primary_muscles', 'secondary_muscles', 'equipment', 'tagging']) {
    const [orphan] = await catalog.sql`
      select 1 from ${catalog.sql(`exercise_${table}`)} l where not exists (select from exercises where id = exercise_id)`;
    assert.equal(orphan, undefined);
  }
  const [lonely] = await catalog.sql`
    select e.id from exercises e where not exists (select from exercise_primary_muscles where exercise_id = e.id)
      or (owner_id is not null and not exists (select from users where id = owner_id))`;
  assert.equal(lonely, undefined);
  await listener.unlisten();
  assert.ok(heard.includes('exercises:all'), heard.join());

  const before = await readAll(catalog);
  const again = await catalog.irontrack('seed', '--exercises', '2000', '--seed', '7');
  assert.equal(again.status, 64);
  assert.match(again.stderr, /--seed 7 are here already/);
  assert.deepEqual(await readAll(catalog), before);
  const more = await catalog.irontrack('seed', '--exercises', '100');
  assert.equal(more.status, 0, more.stderr);
  assert.equal(await countRows(catalog, 'exercises'), seedExercises.length + 2_100);
});

test('a role that may not suspend triggers generates too, and nobody signs in as a generated user', async () => {
  const catalog = await openCatalog();
  await catalog.irontrack('seed');
  const role = `limited_${Date.now()}`;
  await catalog.sql.unsafe(`
    create role ${role} login; grant all on all tables in schema public to ${role};
    grant all on schema public to ${role}; grant ${role} to current_user`);
  const url = new URL(catalog.environment.DATABASE_URL);
  url.username = role;
  const environment = { ...catalog.environment, DATABASE_URL: url.href };
  const { status, stderr } = await runCommand(['seed', '--exercises', '200'], environment);
  assert.equal(status, 0, stderr);
  assert.equal(await countRows(catalog, 'users'), 4);
  const server = await startServer(catalog.environment);
  const [user] = await catalog.sql<
    { email: string }[]
  >`select email from users where email like 'generated-%'`;
  for (const password of ['!', 'Correct-Horse-7']) {
    const response = await fetch(`${server.url}/api/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: user?.email, password }),
    });
    assert.ok(response.status === 401 || response.status === 422, String(response.status));
  }
  server.signal('SIGTERM');
  await server.finished;
});

test('seed refuses numbers that make no sense with status 64', async () => {
  const wrong = [
    ['--exercises', '0'],
    ['--exercises', '-1'],
    ['--exercises', '1e5'],
    ['--exercises', '2000001'],
    ['--exercises', '10', '--seed', '4294967296'],
    ['--seed', '3'],
  ];
  for (const args of wrong) {
    const { status, stderr } = await runCommand(['seed', ...args], { DATA_DIR: '/dev/null/none' });
    assert.equal(status, 64, stderr);
    assert.match(stderr, /--(exercises|seed)/);
  }
});

test('a database that cannot be reached is status 69', async () => {
  const { status, stderr } = await runCommand(['seed'], {
    DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
  });
  assert.equal(status, 69, stderr);
  assert.doesNotMatch(stderr, /\n {4}at /);
});
