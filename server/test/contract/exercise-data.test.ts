import assert from 'node:assert/strict';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import postgres from 'postgres';
import { seedExercises } from '../../src/exercises/seed/seed-exercises.ts';
import { seedEquipment, seedMuscleGroups, seedTags } from '../../src/exercises/seed/vocabulary.ts';
import { makeFolder, runCommand, startServer, toUrl } from '../faults/process.ts';
import { createTestDatabase } from '../support/database.ts';

const folder = makeFolder();

/** A database of its own with an empty catalog. */
async function openCatalog() {
  const address = await createTestDatabase();
  const sql = postgres({ ...address, max: 1, fetch_types: false, onnotice: () => undefined });
  after(() => sql.end({ timeout: 1 }));
  const environment = { DATABASE_URL: toUrl(address), DATA_DIR: join(folder, 'data') };
  return { sql, irontrack: (...args: string[]) => runCommand(args, environment), environment };
}

type Catalog = Awaited<ReturnType<typeof openCatalog>>;

/** Everything in the catalog, to see that nothing changed: contents, and the versions of the rows. */
async function readAll({ sql }: Catalog): Promise<unknown[]> {
  const tables = ['muscle_groups', 'equipment', 'exercise_tags', 'exercises', 'exercise_primary_muscles'];
  return await Promise.all(
    [...tables, 'exercise_secondary_muscles', 'exercise_equipment', 'exercise_tagging'].map(
      (table) => sql`select t.xmin::text, t.* from ${sql(table)} t order by t`,
    ),
  );
}

async function countRows({ sql }: Catalog, table: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`select count(*)::int as count from ${sql(table)}`;
  return row?.count ?? -1;
}

/** A system exercise as its names. */
async function readExercise({ sql }: Catalog, slug: string) {
  const [row] = await sql`
    select e.name, e.force, e.difficulty_level as level, e.category, e.instructions,
      e.image_path_start as start, e.image_path_end as end,
      array(select m.name from exercise_primary_muscles l join muscle_groups m on m.id = l.muscle_group_id
        where l.exercise_id = e.id order by 1)::text as "primary",
      array(select m.name from exercise_secondary_muscles l join muscle_groups m on m.id = l.muscle_group_id
        where l.exercise_id = e.id order by 1)::text as secondary,
      array(select q.name from exercise_equipment l join equipment q on q.id = l.equipment_id
        where l.exercise_id = e.id order by 1)::text as equipment,
      array(select t.name from exercise_tagging l join exercise_tags t on t.id = l.tag_id
        where l.exercise_id = e.id order by 1)::text as tags
    from exercises e where e.slug = ${slug} and e.owner_id is null`;
  return row;
}

function writeRows(name: string, rows: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof rows === 'string' ? rows : JSON.stringify(rows));
  return path;
}

const carry = {
  id: 'Suitcase_Carry',
  name: 'Suitcase Carry',
  force: 'static',
  level: 'beginner',
  mechanic: 'compound',
  equipment: 'kettlebells',
  primaryMuscles: ['forearms'],
  secondaryMuscles: ['abdominals', 'middle back'],
  instructions: ['Pick up one kettlebell.', 'Walk without leaning.'],
  category: 'strongman',
  images: ['Suitcase_Carry/0.jpg', 'Suitcase_Carry/1.jpg'],
};
const rows = [
  carry,
  { ...carry, id: 'Plank', name: 'Plank', equipment: 'body only', images: [] },
  { ...carry, id: 'Sky_Reach', name: 'Sky Reach', equipment: null, instructions: [], category: 'stretching' },
];

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

test('import-exercises adds what the catalog lacks, and changes nothing the second time', async () => {
  const catalog = await openCatalog();
  await catalog.irontrack('seed');
  const [plank] = await Promise.all([readExercise(catalog, 'plank')]);
  const path = writeRows('good.json', rows);
  const first = await catalog.irontrack('import-exercises', path);
  assert.equal(first.status, 0, first.stderr);
  assert.equal(first.stdout, '3 rows read: 2 added, 1 in the catalog already and left as they are.\n');
  assert.deepEqual(await readExercise(catalog, 'plank'), plank);
  assert.deepEqual(await readExercise(catalog, 'suitcase-carry'), {
    name: 'Suitcase Carry',
    force: 'static',
    level: 'beginner',
    category: 'strongman',
    instructions: 'Pick up one kettlebell.\nWalk without leaning.',
    start: '/suitcase_carry/0.jpg',
    end: '/suitcase_carry/1.jpg',
    primary: '{forearms}',
    secondary: '{abdominals,"upper back"}',
    equipment: '{kettlebell}',
    tags: '{"full body","upper body"}',
  });
  assert.deepEqual((await readExercise(catalog, 'sky-reach'))?.equipment, '{}');
  const before = await readAll(catalog);
  const second = await catalog.irontrack('import-exercises', path);
  assert.equal(second.status, 0, second.stderr);
  assert.equal(
    second.stdout,
    '3 rows read: nothing was added, 3 in the catalog already and left as they are.\n',
  );
  assert.deepEqual(await readAll(catalog), before);
});

test('import-exercises needs no seed: it brings the words that its rows name', async () => {
  const catalog = await openCatalog();
  const { status, stderr } = await catalog.irontrack('import-exercises', writeRows('alone.json', [carry]));
  assert.equal(status, 0, stderr);
  assert.equal((await readExercise(catalog, 'suitcase-carry'))?.equipment, '{kettlebell}');
  assert.equal(await countRows(catalog, 'muscle_groups'), 3);
});

test('one refused row refuses the file, unless such rows are to be skipped', async () => {
  const catalog = await openCatalog();
  const bad = { ...carry, id: 'Bad', name: 'Bad one', level: 'hard' };
  const path = writeRows('bad.json', [rows[0], bad, 'text', rows[2]]);
  const refused = await catalog.irontrack('import-exercises', path);
  assert.equal(refused.status, 64);
  assert.equal(
    refused.stderr,
    'Row 2 ("Bad") is refused: level must be beginner, intermediate or expert, not "hard".\n' +
      'Row 3 is refused: it must be an object, not text.\n' +
      'Nothing was imported: 2 of 4 rows refused. Correct the file, or leave such rows out with --skip-refused.\n',
  );
  assert.equal(refused.stdout, '');
  assert.equal(await countRows(catalog, 'exercises'), 0);
  assert.equal(await countRows(catalog, 'muscle_groups'), 0);
  const skipped = await catalog.irontrack('import-exercises', '--skip-refused', path);
  assert.equal(skipped.status, 0, skipped.stderr);
  assert.match(skipped.stderr, /^Row 2 .*\nRow 3 .*\n$/);
  assert.equal(skipped.stdout, '4 rows read: 2 added, 2 refused.\n');
});

test('an import that the database breaks off half-way leaves nothing behind', async () => {
  const catalog = await openCatalog();
  await catalog.sql.unsafe(`
    create function refuse() returns trigger language plpgsql as
      $$ begin raise exception using errcode = '53100', message = 'the disk is full'; end $$;
    create trigger refuse after insert on exercise_tagging for each row execute function refuse()`);
  const many = Array.from({ length: 450 }, (_, index) => ({
    ...carry,
    id: `Carry_${index}`,
    name: `Carry ${index}`,
  }));
  const { status, stderr } = await catalog.irontrack('import-exercises', writeRows('many.json', many));
  assert.equal(status, 69, stderr);
  assert.match(stderr, /the disk is full/);
  assert.doesNotMatch(stderr, /\n {4}at /);
  assert.equal(await countRows(catalog, 'exercises'), 0);
  assert.equal(await countRows(catalog, 'muscle_groups'), 0);
});

test('what is no such file is refused in one sentence with status 64, and no database is asked for', async () => {
  mkdirSync(join(folder, 'a-folder'));
  const sparse = writeRows('sparse.json', '[');
  truncateSync(sparse, 2 ** 31);
  const refusals: readonly [string[], RegExp][] = [
    [[], /Name the FILE/],
    [['one.json', 'two.json'], /Unexpected argument 'two\.json'/],
    [[join(folder, 'absent.json')], /absent\.json does not exist\./],
    [[join(folder, 'a-folder')], /is not a file\./],
    [['/dev/zero'], /is not a file\./],
    [[sparse], /has 2,147,483,648 bytes, and at most 16,777,216 are read\./],
    [[writeRows('empty.json', '')], /is not JSON/],
    [[writeRows('object.json', '{}')], /is not a list/],
  ];
  const environment = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' };
  for (const [args, sentence] of refusals) {
    const { status, stdout, stderr } = await runCommand(['import-exercises', ...args], environment);
    assert.equal(status, 64, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, sentence);
    assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
  }
});

test('seed refuses numbers that make no sense with status 64', async () => {
  const wrong = [
    ['--exercises', '0'],
    ['--exercises', '-1'],
    ['--exercises', '1e5'],
    ['--exercises', '5000001'],
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
  const environment = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' };
  const path = writeRows('reach.json', [carry]);
  for (const args of [['seed'], ['import-exercises', path]]) {
    const { status, stderr } = await runCommand(args, environment);
    assert.equal(status, 69, stderr);
    assert.doesNotMatch(stderr, /\n {4}at /);
  }
});
