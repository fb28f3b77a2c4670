/** What is put together in memory beside what PostgreSQL answers, for the same rows. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import postgres from 'postgres';
import { uuidv7 } from 'uuidv7';
import { createTestDatabase } from '../../test/support/database.ts';
import { openDatabase } from '../database/database.ts';
import { type ListKey, selectKeys } from './exercise-list.sql.ts';
import { selectHalf } from './half.sql.ts';
import { createHalf, emptyHalf } from './half.ts';
import type { ListFilter, ListQuery } from './list-query.ts';
import { mergeHalves } from './merge-halves.ts';
import { nameKey } from './names.ts';

const address = await createTestDatabase();
const client = postgres({ ...address, max: 1 });
const database = openDatabase({ address, poolSize: 2, timeoutMs: 60_000 });
after(async () => {
  await client.end();
  await database.close();
});

const random = createDraw(7);
const [caller, stranger] = [uuidv7(), uuidv7()];
for (const id of [caller, stranger]) {
  await client`
    insert into users (id, email, name, password_hash, created_at, updated_at)
    values (${id}, ${`${id}@example.org`}, 'Somebody', '!', now(), now())`;
}
const lists = ['muscle_groups', 'equipment', 'exercise_tags'] as const;
for (const list of lists) {
  await client`insert into ${client(list)} (name) select 'item ' || n from generate_series(1, 4) n`;
}
// Names that both halves have, and such as UTF-16 and code points order differently: an emoji after a full-width letter.
const words = [
  'Press',
  'press up',
  'Row',
  'row %',
  'a_b',
  '\uff21 wide',
  '\u{1f4aa} arm',
  '\u00c4rmel',
  '\ue000 own',
  'c\\d',
  'Cafe\u0301',
  '\u0130nce',
  'z',
];
const categories = ['strength', 'stretching', 'cardio'] as const;
const levels = ['beginner', 'expert'] as const;
for (const [ownerId, count] of [
  [null, 90],
  [caller, 70],
  [stranger, 20],
] as const) {
  for (let serial = 0; serial < count; serial += 1) {
    const id = uuidv7();
    const name = `${words[serial % words.length]} ${Math.floor(serial / words.length)}`;
    // Some were made in the same microsecond.
    const createdAt = `2026-01-01T00:00:00.${String(random(40)).padStart(6, '0')}Z`;
    await client`
      insert into exercises (id, owner_id, name, name_key, slug, difficulty_level, category, created_at, updated_at)
      values (${id}, ${ownerId}, ${name}, ${nameKey(name)}, ${ownerId === null ? id : null}, ${levels[random(2)] ?? ''},
        ${categories[random(3)] ?? ''}, ${createdAt}::text::timestamptz, now())`;
    for (const [table, column] of [
      ['exercise_primary_muscles', 'muscle_group_id'],
      ['exercise_equipment', 'equipment_id'],
      ['exercise_tagging', 'tag_id'],
    ] as const) {
      for (let item = 1; item <= 4; item += 1) {
        if (random(3) > 0) continue;
        await client`insert into ${client(table)} (exercise_id, ${client(column)}) values (${id}, ${item})`;
      }
    }
  }
}
const halves = {
  system: createHalf((await selectHalf(database.sql, null, 1_000)) ?? assert.fail()),
  own: createHalf((await selectHalf(database.sql, caller, 1_000)) ?? assert.fail()),
};

const some = <Value>(values: readonly Value[]) => fc.subarray([...values], { maxLength: 2 });
const ids = fc.oneof({ weight: 3, arbitrary: fc.constant<number[]>([]) }, some([1, 2, 3, 4, 99]));
// Parts of the names above, whole characters and half ones, and what means something in a pattern.
const searches = fc.oneof(
  fc.constant(''),
  fc.constantFrom(
    'R',
    'press',
    '\u00e4RMEL',
    'A\u0308r',
    ' 1',
    'zz',
    'Caf\u00c9',
    '\u0130NCE',
    'i\u0307',
    'ROW  %',
  ),
  fc.string({ unit: fc.constantFrom(...'%_\\aRcw 1', '\u0301', '\u{1f4aa}', '\ue000'), maxLength: 3 }),
);
const queries = fc.record({
  filter: fc.record({
    scope: fc.constantFrom('all', 'all', 'user', 'system'),
    searchString: searches,
    primaryMuscles: ids,
    equipment: ids,
    tags: ids,
    categories: some(categories),
    difficultyLevels: fc.oneof(fc.constant([]), some(levels)),
  }),
  order: fc.record({
    orderBy: fc.constantFrom('name', 'createdAt'),
    sortOrder: fc.constantFrom('asc', 'desc'),
  }),
  limit: fc.integer({ min: 1, max: 40 }),
  offset: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 200 })),
});

const everything: ListFilter = {
  scope: 'all',
  searchString: '',
  primaryMuscles: [],
  equipment: [],
  tags: [],
  categories: [],
  difficultyLevels: [],
};

/** Without what a statement returns besides. */
function plain({ id, isSystem, orderValue }: ListKey): ListKey {
  return { id, isSystem, orderValue };
}

function compose(query: ListQuery) {
  const { filter, order } = query;
  const system = (filter.scope === 'user' ? emptyHalf : halves.system).select(filter, order.orderBy);
  const own = (filter.scope === 'system' ? emptyHalf : halves.own).select(filter, order.orderBy);
  return { rows: mergeHalves({ system, own }, query), total: system.length + own.length };
}

test('halves in memory give the rows, the order and the total that PostgreSQL gives', async () => {
  await fc.assert(
    fc.asyncProperty(queries, async (drawn) => {
      const query: ListQuery = { ...drawn, after: undefined, countKey: '', listKey: '', key: '' };
      const { rows, total } = compose(query);
      const wanted = await selectKeys(database.sql, caller, query, { system: undefined, own: undefined });
      assert.deepEqual(rows, wanted.rows.map(plain));
      assert.equal(total, wanted.total);
    }),
    { numRuns: 300 },
  );
});

test('by cursor they give the same pages one after the other, each row once', async () => {
  await fc.assert(
    fc.asyncProperty(queries, async (drawn) => {
      const first: ListQuery = { ...drawn, offset: 0, after: undefined, countKey: '', listKey: '', key: '' };
      const seen: string[] = [];
      for (let query = first; ; ) {
        const { rows } = compose(query);
        const wanted = await selectKeys(database.sql, caller, query, undefined);
        assert.deepEqual(rows, wanted.rows.map(plain));
        const shown = rows.slice(0, query.limit);
        seen.push(...shown.map(({ id }) => id));
        const last = shown.at(-1);
        if (rows.length <= query.limit || last === undefined) break;
        query = { ...first, after: { value: last.orderValue, id: last.id } };
      }
      assert.equal(new Set(seen).size, seen.length);
      assert.equal(seen.length, compose(first).total);
    }),
    { numRuns: 40 },
  );
});

test('from wherever a cursor may stand they go on alike', async () => {
  const entries = [halves.system, halves.own].flatMap((half) => half.select(everything, 'name'));
  const places = fc.record({ at: fc.constantFrom(...entries), other: fc.constantFrom(...entries) });
  await fc.assert(
    fc.asyncProperty(queries, places, fc.boolean(), async (drawn, { at, other }, isGone) => {
      const value = drawn.order.orderBy === 'name' ? at.nameKey : at.createdAt;
      // The row may be gone, and others may stand at its place.
      const after = { value, id: isGone ? other.id : at.id };
      const query: ListQuery = { ...drawn, offset: 0, after, countKey: '', listKey: '', key: '' };
      const wanted = await selectKeys(database.sql, caller, query, undefined);
      assert.deepEqual(compose(query).rows, wanted.rows.map(plain));
    }),
    { numRuns: 150 },
  );
});

test('a half of more rows than were asked for does not come, and one of none is empty', async () => {
  assert.equal(await selectHalf(database.sql, caller, 69), undefined);
  assert.equal((await selectHalf(database.sql, caller, 70))?.length, 70);
  assert.deepEqual(await selectHalf(database.sql, uuidv7(), 10), []);
});

/** A small source of numbers below a bound, the same each time. */
function createDraw(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
