/** How an Exercise of the contract is read out of the tables. */
import type { CatalogItem, Exercise } from '@irontrack/contract/exercises.ts';
import { part, type SqlPart } from '../database/sql.ts';

/** For every statement that reads an Exercise from `exercises e`. */
export const exerciseColumns = part`
  e.id, e.name, e.force, e.difficulty_level as "difficultyLevel", e.mechanic, e.category, e.instructions,
  e.image_path_start as "imagePathStart", e.image_path_end as "imagePathEnd", e.slug, e.owner_id as "createdBy",
  e.created_at as "createdAt", e.updated_at as "updatedAt",
  ${itemsOf(part`exercise_primary_muscles`, part`muscle_groups`, part`muscle_group_id`)} as "primaryMuscles",
  ${itemsOf(part`exercise_secondary_muscles`, part`muscle_groups`, part`muscle_group_id`)} as "secondaryMuscles",
  ${itemsOf(part`exercise_equipment`, part`equipment`, part`equipment_id`)} as "equipment",
  ${itemsOf(part`exercise_tagging`, part`exercise_tags`, part`tag_id`)} as "tags"`;

function itemsOf(links: SqlPart, list: SqlPart, itemId: SqlPart): SqlPart {
  return part`(
    select json_agg(json_build_object('id', item.id, 'name', item.name) order by item.id)
    from ${links} link join ${list} item on item.id = link.${itemId}
    where link.exercise_id = e.id)`;
}

type Lists = 'primaryMuscles' | 'secondaryMuscles' | 'equipment' | 'tags';

export interface ExerciseRow extends Omit<Exercise, Lists | 'createdAt' | 'updatedAt'> {
  primaryMuscles: CatalogItem[] | null;
  secondaryMuscles: CatalogItem[] | null;
  equipment: CatalogItem[] | null;
  tags: CatalogItem[] | null;
  createdAt: Date;
  updatedAt: Date;
}

/** @param cdnUrl goes before the image paths; may be empty */
export function toExercise(row: ExerciseRow, cdnUrl: string): Exercise {
  const { imagePathStart, imagePathEnd } = row;
  return {
    ...row,
    primaryMuscles: row.primaryMuscles ?? [],
    secondaryMuscles: row.secondaryMuscles ?? [],
    equipment: row.equipment ?? [],
    tags: row.tags ?? [],
    imagePathStart: imagePathStart === null ? null : cdnUrl + imagePathStart,
    imagePathEnd: imagePathEnd === null ? null : cdnUrl + imagePathEnd,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}
