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
  /** Ids with commas between; null: none. */
  primaryMuscles: string | null;
  equipment: string | null;
  tags: string | null;
}

/** The system's exercises (`null`) or those of one user, by name; `most` of them and one more if there are more. */
export async function selectHalf(sql: Sql, ownerId: string | null, most: number): Promise<HalfRow[]> {
  return await sql<HalfRow>`
    with half as materialized (
      select e.id, e.name_key, e.created_at, e.category, e.difficulty_level from exercises e
      where ${ownerId === null ? part`e.owner_id is null` : part`e.owner_id = ${ownerId}`}
      order by e.name_key limit ${most + 1}
    )
    select half.id, half.name_key as "nameKey",
      to_char(half.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "createdAt",
      (row_number() over (order by half.created_at, half.id))::int as "rankInTime",
      half.category, half.difficulty_level as "difficultyLevel",
      muscles.ids as "primaryMuscles", equipment.ids as equipment, tags.ids as tags
    from half
    ${idsOf(part`exercise_primary_muscles`, part`muscle_group_id`, part`muscles`)}
    ${idsOf(part`exercise_equipment`, part`equipment_id`, part`equipment`)}
    ${idsOf(part`exercise_tagging`, part`tag_id`, part`tags`)}
    order by half.name_key`;
}

/** Of all rows at one go. */
function idsOf(links: SqlPart, itemId: SqlPart, name: SqlPart): SqlPart {
  return part`
    left join (
      select link.exercise_id, string_agg(link.${itemId}::text, ',') as ids
      from half join ${links} link on link.exercise_id = half.id group by link.exercise_id
    ) ${name} on ${name}.exercise_id = half.id`;
}
