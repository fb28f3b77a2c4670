import { part, type Sql, type SqlPart } from '../../database/sql.ts';
import type { SystemExercise } from './system-exercises.ts';

/** A reference list: where it is stored, and how paths and audit entries call it. */
export interface ReferenceList {
  table: SqlPart;
  slug: string;
}

export const referenceLists = {
  muscleGroups: { table: part`muscle_groups`, slug: 'muscle-groups' },
  equipment: { table: part`equipment`, slug: 'equipment' },
  tags: { table: part`exercise_tags`, slug: 'exercise-tags' },
} as const satisfies Record<string, ReferenceList>;

/** One writer of system exercises at a time, until the transaction ends: two nodes that start together, say. */
export async function lockSystemCatalog(tx: Sql): Promise<void> {
  await tx`select pg_advisory_xact_lock(hashtextextended('irontrack:system-catalog', 0))`;
}

/** Is there anything at all in the system's catalog? */
export async function systemCatalogExists(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ found: boolean }>`
    select exists (select from muscle_groups) or exists (select from equipment) or exists (select from exercise_tags)
      or exists (select from exercises where owner_id is null) as found`;
  return row?.found ?? false;
}

/** Those of the names that the list does not have. */
export async function selectMissingNames(
  tx: Sql,
  table: SqlPart,
  names: readonly string[],
): Promise<string[]> {
  const rows = await tx<{ name: string }>`
    select name from jsonb_array_elements_text(${names}::jsonb) as given (name)
    where not exists (select from ${table} as known where known.name = given.name)
    order by name`;
  return rows.map(({ name }) => name);
}

/** @returns those that were new */
export async function insertReferenceNames(
  tx: Sql,
  table: SqlPart,
  names: readonly string[],
): Promise<{ id: number; name: string }[]> {
  return await tx<{ id: number; name: string }>`
    insert into ${table} (name)
    select name from jsonb_array_elements_text(${names}::jsonb) with ordinality as given (name, place)
    order by place
    on conflict do nothing
    returning id, name`;
}

/** Which of these the system's catalog has already, under the same name or the same slug. */
export async function selectKnownExercises(
  tx: Sql,
  exercises: readonly Pick<SystemExercise, 'slug' | 'nameKey'>[],
): Promise<{ slug: string; nameKey: string }[]> {
  const keys = exercises.map(({ slug, nameKey }) => ({ slug, name_key: nameKey }));
  return await tx<{ slug: string; nameKey: string }>`
    select given.slug, given.name_key as "nameKey"
    from jsonb_to_recordset(${keys}::jsonb) as given (slug text, name_key text)
    where exists (select from exercises e where e.owner_id is null and e.slug = given.slug)
      or exists (select from exercises e where e.owner_id is null and e.name_key = given.name_key)`;
}

/**
 * Inserts system exercises with what they name of the lists, which must be there.
 *
 * @returns those that were new; one whose name or slug was taken is left out
 */
export async function insertSystemExercises(
  tx: Sql,
  exercises: readonly SystemExercise[],
  now: Date,
): Promise<{ id: string; name: string }[]> {
  const rows = exercises.map((exercise) => ({
    id: exercise.id,
    name: exercise.name,
    name_key: exercise.nameKey,
    slug: exercise.slug,
    force: exercise.force,
    difficulty_level: exercise.level,
    mechanic: exercise.mechanic,
    category: exercise.category,
    instructions: exercise.instructions,
    image_path_start: exercise.imagePathStart,
    image_path_end: exercise.imagePathEnd,
    primary_muscles: exercise.primary,
    secondary_muscles: exercise.secondary,
    equipment: exercise.equipment,
    tags: exercise.tags,
  }));
  return await tx<{ id: string; name: string }>`
    with given as materialized (
      select * from jsonb_to_recordset(${rows}::jsonb) as r (
        id uuid, name text, name_key text, slug text, force text, difficulty_level text, mechanic text, category text,
        instructions text, image_path_start text, image_path_end text,
        primary_muscles text[], secondary_muscles text[], equipment text[], tags text[])
    ), added as (
      insert into exercises
        (id, owner_id, name, name_key, slug, force, difficulty_level, mechanic, category, instructions,
         image_path_start, image_path_end, created_at, updated_at)
      select id, null, name, name_key, slug, force, difficulty_level, mechanic, category, instructions,
        image_path_start, image_path_end, ${now}, ${now}
      from given
      on conflict do nothing
      returning id, name
    ), new as (
      select given.* from given join added on added.id = given.id
    ), primary_muscles as (
      insert into exercise_primary_muscles (exercise_id, muscle_group_id)
      select new.id, m.id from new join muscle_groups m on m.name = any (new.primary_muscles)
    ), secondary_muscles as (
      insert into exercise_secondary_muscles (exercise_id, muscle_group_id)
      select new.id, m.id from new join muscle_groups m on m.name = any (new.secondary_muscles)
    ), equipment_used as (
      insert into exercise_equipment (exercise_id, equipment_id)
      select new.id, q.id from new join equipment q on q.name = any (new.equipment)
    ), tagging as (
      insert into exercise_tagging (exercise_id, tag_id)
      select new.id, t.id from new join exercise_tags t on t.name = any (new.tags)
    )
    select id, name from added`;
}
