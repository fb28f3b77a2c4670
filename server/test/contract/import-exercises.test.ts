import assert from 'node:assert/strict';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeFolder, runCommand } from '../faults/process.ts';
import { countRows, openCatalog, readAll, readExercise } from '../support/exercise-data.ts';

const folder = makeFolder();

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

test('import-exercises adds what the catalog lacks, and changes nothing the second time', async () => {
  const catalog = await openCatalog();
  await catalog.irontrack('seed');
  const plank = await readExercise(catalog, 'plank');
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
  const entries = await catalog.sql`
    select details->>'name' as name, request_id as source, actor_id as actor from audit_entries
    where action = 'exercise.created' and details->>'name' in ('Suitcase Carry', 'Sky Reach', 'Plank') order by id`;
  assert.deepEqual(
    entries.map(({ name, source, actor }) => [name, source, actor]),
    [
      ['Plank', 'command-line', null],
      ['Suitcase Carry', 'command-line', null],
      ['Sky Reach', 'command-line', null],
    ],
  );
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

test('a database that cannot be reached is status 69', async () => {
  const environment = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' };
  const { status, stderr } = await runCommand(
    ['import-exercises', writeRows('reach.json', [carry])],
    environment,
  );
  assert.equal(status, 69, stderr);
  assert.doesNotMatch(stderr, /\n {4}at /);
});
