import { part, type Sql, type SqlPart } from '../database/sql.ts';
import type { CursorPosition } from './cursor.ts';
import { type ExerciseRow, exerciseColumns } from './exercise-row.ts';
import type { ListFilter, ListOrder, ListQuery } from './list-query.ts';
import { containing } from './names.ts';

const orders = {
  name: { column: part`e.name_key`, value: part`page.place` },
  createdAt: {
    column: part`e.created_at`,
    value: part`to_char(page.place at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`,
  },
} as const;
const directions = { asc: part`asc`, desc: part`desc` } as const;

/** Where a row stands in a list. */
export interface ListKey {
  id: string;
  /** Is it the system's, or the caller's own? */
  isSystem: boolean;
  /** The value the list is ordered by, as a cursor holds it. */
  orderValue: string;
}

/** How many match among the system's rows and among the caller's own. */
export interface HalfTotals {
  system: number | undefined;
  own: number | undefined;
}

interface Found<Row> {
  /** One more than the page holds when others follow. */
  rows: Row[];
  /** How many match in all, if it was asked for. */
  total: number | undefined;
  /** What had to be counted for it. */
  counted: HalfTotals;
}

/**
 * Where the rows of a page stand, for a node that knows most of the rows already: 0.05 ms in PostgreSQL for 50 of
 * them, where `selectPage` takes 1.5.
 *
 * @param known what was counted before; undefined when no total is wanted. When the page itself tells, nothing is
 *   counted.
 */
export async function selectKeys(
  sql: Sql,
  callerId: string,
  query: ListQuery,
  known: HalfTotals | undefined,
): Promise<Found<ListKey>> {
  return await selectFromPage<ListKey>(sql, callerId, query, known, {
    columns: part`page.id`,
    rows: part``,
  });
}

/** The same with all that an exercise has, its lists aggregated: the whole page in one statement. */
export async function selectPage(
  sql: Sql,
  callerId: string,
  query: ListQuery,
  known: HalfTotals | undefined,
): Promise<Found<ListKey & ExerciseRow>> {
  return await selectFromPage<ListKey & ExerciseRow>(sql, callerId, query, known, {
    columns: exerciseColumns,
    rows: part`join exercises e on e.id = page.id`,
  });
}

/**
 * Each half of the list (the system's rows, the caller's own) is read in order from an index of its own and cut off at
 * the end of the page; with `or` between them PostgreSQL would read and sort all of both. The halves name columns of
 * that index alone, so that rows before the page are not fetched from the table.
 */
async function selectFromPage<Row extends ListKey>(
  sql: Sql,
  callerId: string,
  { filter, order, limit, offset, after }: ListQuery,
  known: HalfTotals | undefined,
  shape: { columns: SqlPart; rows: SqlPart },
): Promise<Found<Row>> {
  const direction = directions[order.sortOrder];
  const { column, value } = orders[order.orderBy];
  const inOrder = part`place ${direction}, id ${direction}`;
  // In one half no two rows share a name.
  const inHalf = order.orderBy === 'name' ? part`place ${direction}` : inOrder;
  const halves = ownersOf(filter, callerId).map(
    ({ owner, isSystem }) => part`(
      select e.id, ${column} as place, ${isSystem ? part`true` : part`false`} as "isSystem" from exercises e
      where ${owner} ${matching(filter)} ${following(after, order)}
      order by ${inHalf} limit ${limit + 1 + offset})`,
  );
  const page = part`
    select id, place, "isSystem" from (${joined(halves, part` union all `)}) half
    order by ${inOrder} limit ${limit + 1} offset ${offset}`;
  const shown = part`${shape.columns}, page."isSystem", ${value} as "orderValue"`;
  if (known === undefined) {
    const rows = await sql<Row>`
      select ${shown} from (${page}) page ${shape.rows} order by page.place ${direction}, page.id ${direction}`;
    return { rows, total: undefined, counted: { system: undefined, own: undefined } };
  }
  const count = (isSystem: boolean, before: number | undefined) => {
    const half = ownersOf(filter, callerId).find((each) => each.isSystem === isSystem);
    if (half === undefined) return part`null::int`;
    if (before !== undefined) return part`${before}::int`;
    return part`(select count(*) from exercises e where ${half.owner} ${matching(filter)})::int`;
  };
  const [first, ...rest] = await sql<Row & Totals>`
    with page as (${page}),
    ends as (select ${endOf(limit, offset)} as total from page)
    select counted.total, counted.system, counted.own, shown.*
    from (
      select ends.total,
        case when ends.total is null then ${count(true, known.system)} end as system,
        case when ends.total is null then ${count(false, known.own)} end as own
      from ends
    ) counted
    left join lateral (select ${shown}, page.place from page ${shape.rows}) shown on true
    order by shown.place ${direction}, shown.id ${direction}`;
  if (first === undefined) throw new Error('A total came back without its row.');
  const { total, system, own } = first;
  return {
    // Of an empty page the totals alone come back.
    rows: first.id === null ? [] : [first, ...rest],
    total: total ?? (system ?? 0) + (own ?? 0),
    counted: { system: system ?? undefined, own: own ?? undefined },
  };
}

interface Totals {
  total: number | null;
  system: number | null;
  own: number | null;
}

/** A page with nothing behind it ends the list, unless it is empty and beyond: then its end is the total. */
function endOf(limit: number, offset: number): SqlPart {
  return part`
    case when count(*) <= ${limit} and (count(*) > 0 or ${offset}::int = 0) then (${offset}::int + count(*))::int end`;
}

export async function selectExercises(sql: Sql, ids: readonly string[]): Promise<ExerciseRow[]> {
  return await sql<ExerciseRow>`
    select ${exerciseColumns} from exercises e where e.id = any (${`{${ids.join(',')}}`}::uuid[])`;
}

function ownersOf({ scope }: ListFilter, callerId: string): { owner: SqlPart; isSystem: boolean }[] {
  const system = { owner: part`e.owner_id is null`, isSystem: true };
  const own = { owner: part`e.owner_id = ${callerId}`, isSystem: false };
  if (scope === 'all') return [system, own];
  return [scope === 'system' ? system : own];
}

function following(after: CursorPosition | undefined, { orderBy, sortOrder }: ListOrder): SqlPart {
  if (after === undefined) return part``;
  const { value, id } = after;
  const than = sortOrder === 'asc' ? part`>` : part`<`;
  // As text first: the client would send a timestamptz as a Date, without its microseconds.
  return orderBy === 'name'
    ? part`and (e.name_key, e.id) ${than} (${value}, ${id}::uuid)`
    : part`and (e.created_at, e.id) ${than} (${value}::text::timestamptz, ${id}::uuid)`;
}

function matching(filter: ListFilter): SqlPart {
  const { searchString, categories, difficultyLevels } = filter;
  return part`
    ${searchString === '' ? part`` : part`and e.name_key like ${containing(searchString)}`}
    ${categories.length === 0 ? part`` : part`and e.category = any (${textArray(categories)}::text[])`}
    ${
      difficultyLevels.length === 0
        ? part``
        : part`and e.difficulty_level = any (${textArray(difficultyLevels)}::text[])`
    }
    ${naming(part`exercise_primary_muscles`, part`muscle_group_id`, filter.primaryMuscles)}
    ${naming(part`exercise_equipment`, part`equipment_id`, filter.equipment)}
    ${naming(part`exercise_tagging`, part`tag_id`, filter.tags)}`;
}

function naming(links: SqlPart, itemId: SqlPart, ids: readonly number[]): SqlPart {
  if (ids.length === 0) return part``;
  return part`and exists (
    select from ${links} link where link.exercise_id = e.id and link.${itemId} = any (${`{${ids.join(',')}}`}::int[]))`;
}

/** Words of the contract: none needs an escape. */
function textArray(words: readonly string[]): string {
  return `{${words.map((word) => `"${word}"`).join(',')}}`;
}

function joined(parts: readonly SqlPart[], separator: SqlPart): SqlPart {
  return parts.reduce((all, next) => part`${all}${separator}${next}`);
}

/** Is there an index that finds a part of a name? */
export async function canSearchByIndex(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ found: boolean }>`
    select to_regclass('exercises_system_trigrams') is not null as found`;
  return row?.found ?? false;
}
