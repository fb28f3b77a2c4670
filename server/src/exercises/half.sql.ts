import { part, type Sql, type SqlPart } from '../database/sql.ts';

/** What decides whether and where an exercise stands in a list. */
export interface HalfRow {
  id: string;
  nameKey: string;
  /** UTC with microseconds: as text in the order of time, and as a cursor holds it. */
  createdAt: string;
  /** From 1, by creation and then id. */
  rankInTime: number;
  category: string;
  difficultyLevel: string;
  /** Ids with commas between. */
  primaryMuscles: string;
  equipment: string;
  tags: string;
}

/** The system's exercises (`null`) or those of one user, by name. Undefined when there are more than `most`. */
export async function selectHalf(
  sql: Sql,
  ownerId: string | null,
  most: number,
): Promise<HalfRow[] | undefined> {
  // Counted first: of a half that is too large no link is read (301 rows: 2 ms).
  const [first, ...rest] = await sql<HalfRow & { isTooLarge: boolean }>`
    with half as (
      select e.id, e.name_key, e.created_at, e.category, e.difficulty_level from exercises e
      where ${ownerId === null ? part`e.owner_id is null` : part`e.owner_id = ${ownerId}`}
      order by e.name_key limit ${most + 1}
    )
    select counted."isTooLarge", shown.*
    from (select count(*) > ${most} as "isTooLarge" from half) counted
    left join lateral (
      select e.id, e.name_key as "nameKey",
        to_char(e.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "createdAt",
        (row_number() over (order by e.created_at, e.id))::int as "rankInTime",
        e.category, e.difficulty_level as "difficultyLevel",
        ${idsOf(part`exercise_primary_muscles`, part`muscle_group_id`)} as "primaryMuscles",
        ${idsOf(part`exercise_equipment`, part`equipment_id`)} as equipment,
        ${idsOf(part`exercise_tagging`, part`tag_id`)} as tags
      from half e where not counted."isTooLarge"
    ) shown on true
    order by shown."nameKey"`;
  if (first === undefined) throw new Error('A count came back without its row.');
  if (first.isTooLarge) return undefined;
  // Of an empty half the count alone comes back.
  return first.id === null ? [] : [first, ...rest];
}

/** Some 6 us a row and list; joins with the links grouped by exercise took half as long again at 5,000 rows as at 141. */
function idsOf(links: SqlPart, itemId: SqlPart): SqlPart {
  return part`array_to_string(array(select link.${itemId} from ${links} link where link.exercise_id = e.id), ',')`;
}
