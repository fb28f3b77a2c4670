import type { Exercise } from '@irontrack/contract/exercises.ts';
import { arrayText, part, type Sql, type SqlPart } from '../database/sql.ts';
import { type ExerciseRow, exerciseColumns } from './exercise-row.ts';

export async function findExercise(sql: Sql, id: string): Promise<ExerciseRow | undefined> {
  const [row] = await sql<ExerciseRow>`select ${exerciseColumns} from exercises e where e.id = ${id}`;
  return row;
}

export async function findOwnByName(
  sql: Sql,
  ownerId: string,
  nameKey: string,
): Promise<ExerciseRow | undefined> {
  const [row] = await sql<ExerciseRow>`
    select ${exerciseColumns} from exercises e where e.owner_id = ${ownerId} and e.name_key = ${nameKey}`;
  return row;
}

export async function findSystemBySlug(sql: Sql, slug: string): Promise<ExerciseRow | undefined> {
  const [row] = await sql<ExerciseRow>`
    select ${exerciseColumns} from exercises e where e.owner_id is null and e.slug = ${slug}`;
  return row;
}

/** Locks the row until the transaction ends. @returns whose it is; `null` for the system's */
export async function lockExercise(
  tx: Sql,
  id: string,
): Promise<{ ownerId: string | null; name: string } | undefined> {
  const [row] = await tx<{ ownerId: string | null; name: string }>`
    select owner_id as "ownerId", name from exercises where id = ${id} for update`;
  return row;
}

export interface NewExercise {
  id: string;
  ownerId: string | null;
  name: string;
  nameKey: string;
  slug: string | null;
  force: Exercise['force'];
  difficultyLevel: Exercise['difficultyLevel'];
  mechanic: Exercise['mechanic'];
  category: Exercise['category'];
  instructions: string | null;
  imagePathStart: string | null;
  imagePathEnd: string | null;
}

export async function insertExercise(tx: Sql, exercise: NewExercise, now: Date): Promise<void> {
  await tx`
    insert into exercises
      (id, owner_id, name, name_key, slug, force, difficulty_level, mechanic, category, instructions,
       image_path_start, image_path_end, created_at, updated_at)
    values
      (${exercise.id}, ${exercise.ownerId}, ${exercise.name}, ${exercise.nameKey}, ${exercise.slug},
       ${exercise.force}, ${exercise.difficultyLevel}, ${exercise.mechanic}, ${exercise.category},
       ${exercise.instructions}, ${exercise.imagePathStart}, ${exercise.imagePathEnd}, ${now}, ${now})`;
}

type Changeable = Omit<NewExercise, 'id' | 'ownerId'>;
/** What is absent or undefined stays as it is. */
export type ExerciseUpdate = { [Field in keyof Changeable]?: Changeable[Field] | undefined };

export async function updateExercise(tx: Sql, id: string, change: ExerciseUpdate, now: Date): Promise<void> {
  await tx`
    update exercises set
      ${set(part`name`, change.name)}
      ${set(part`name_key`, change.nameKey)}
      ${set(part`slug`, change.slug)}
      ${set(part`force`, change.force)}
      ${set(part`difficulty_level`, change.difficultyLevel)}
      ${set(part`mechanic`, change.mechanic)}
      ${set(part`category`, change.category)}
      ${set(part`instructions`, change.instructions)}
      ${set(part`image_path_start`, change.imagePathStart)}
      ${set(part`image_path_end`, change.imagePathEnd)}
      updated_at = ${now}
    where id = ${id}`;
}

function set(column: SqlPart, value: string | null | undefined): SqlPart {
  return value === undefined ? part`` : part`${column} = ${value},`;
}

export async function deleteExercise(tx: Sql, id: string): Promise<void> {
  await tx`delete from exercises where id = ${id}`;
}

/** What an exercise names of the reference lists. Absent: as it is; null: none. */
export interface References {
  primaryMuscles?: readonly number[] | undefined;
  secondaryMuscles?: readonly number[] | null | undefined;
  equipment?: readonly number[] | null | undefined;
  tags?: readonly number[] | undefined;
}

export interface MissingReferences {
  primary: number[];
  secondary: number[];
  equipment: number[];
  tags: number[];
}

/** Which of the ids do not exist, in the order they were given. */
export async function findMissing(sql: Sql, references: References): Promise<MissingReferences> {
  const { primaryMuscles, secondaryMuscles, equipment, tags } = references;
  const [row] = await sql<MissingReferences>`
    select
      ${missingIn(part`muscle_groups`, primaryMuscles)} as primary,
      ${missingIn(part`muscle_groups`, secondaryMuscles)} as secondary,
      ${missingIn(part`equipment`, equipment)} as equipment,
      ${missingIn(part`exercise_tags`, tags)} as tags`;
  if (row === undefined) throw new Error('A select without a table gave no row.');
  return row;
}

function missingIn(list: SqlPart, ids: readonly number[] | null | undefined): SqlPart {
  return part`array_to_json(array(
    select given.id from unnest(${arrayText(new Set(ids))}::int[]) with ordinality as given (id, place)
    where not exists (select from ${list} item where item.id = given.id) order by given.place))`;
}

/** Puts the given lists in place of what there was. */
export async function replaceReferences(tx: Sql, exerciseId: string, references: References): Promise<void> {
  const { primaryMuscles, secondaryMuscles, equipment, tags } = references;
  const muscle = part`muscle_group_id`;
  await replace(tx, exerciseId, part`exercise_primary_muscles`, muscle, primaryMuscles);
  await replace(tx, exerciseId, part`exercise_secondary_muscles`, muscle, secondaryMuscles);
  await replace(tx, exerciseId, part`exercise_equipment`, part`equipment_id`, equipment);
  await replace(tx, exerciseId, part`exercise_tagging`, part`tag_id`, tags);
}

async function replace(
  tx: Sql,
  exerciseId: string,
  links: SqlPart,
  itemId: SqlPart,
  ids: readonly number[] | null | undefined,
): Promise<void> {
  if (ids === undefined) return;
  const wanted = arrayText(new Set(ids));
  await tx`
    with gone as (
      delete from ${links} where exercise_id = ${exerciseId} and ${itemId} <> all (${wanted}::int[])
    )
    insert into ${links} (exercise_id, ${itemId})
    select ${exerciseId}, unnest(${wanted}::int[])
    on conflict do nothing`;
}
