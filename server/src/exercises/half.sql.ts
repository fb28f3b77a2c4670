import { part, type Sql } from '../database/sql.ts';

/** What decides whether and where an exercise stands in a list. */
export interface HalfRow {
  id: string;
  nameKey: string;
  /** UTC with microseconds: as text in the order of time, and as a cursor holds it. */
  createdAt: string;
  category: string;
  difficultyLevel: string;
  /** Ids with commas between. */
  primaryMuscles: string;
  equipment: string;
  tags: string;
}

/**
 * The system's exercises (`null`) or those of one user, by name; `most` of them and one more if there are more.
 * Sub-selects and not joins with the aggregated link tables: PostgreSQL would aggregate all of them first.
 */
export async function selectHalf(sql: Sql, ownerId: string | null, most: number): Promise<HalfRow[]> {
  return await sql<HalfRow>`
    select e.id, e.name_key as "nameKey",
      to_char(e.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "createdAt",
      e.category, e.difficulty_level as "difficultyLevel",
      (select coalesce(string_agg(link.muscle_group_id::text, ','), '') from exercise_primary_muscles link
        where link.exercise_id = e.id) as "primaryMuscles",
      (select coalesce(string_agg(link.equipment_id::text, ','), '') from exercise_equipment link
        where link.exercise_id = e.id) as equipment,
      (select coalesce(string_agg(link.tag_id::text, ','), '') from exercise_tagging link
        where link.exercise_id = e.id) as tags
    from exercises e
    where ${ownerId === null ? part`e.owner_id is null` : part`e.owner_id = ${ownerId}`}
    order by e.name_key limit ${most + 1}`;
}
