/** Puts system exercises and the lists they name into the catalog: from our own seed, and from an imported file. */
import type { Sql, SqlPart } from '../../database/sql.ts';
import { nameKey, slugOf, tidyName } from '../names.ts';
import { seedExercises } from './seed-exercises.ts';
import {
  insertReferenceNames,
  insertSystemExercises,
  lockSystemCatalog,
  referenceTables,
  selectKnownExercises,
  selectMissingNames,
  systemCatalogExists,
} from './system-exercises.sql.ts';
import { type SeedExercise, seedEquipment, seedMuscleGroups, seedTags } from './vocabulary.ts';

/** A system exercise ready to be stored. */
export interface SystemExercise extends Omit<SeedExercise, 'steps'> {
  id: string;
  nameKey: string;
  slug: string;
  /** One step a line. */
  instructions: string | null;
  /** Relative, with a slash in front. */
  imagePathStart: string | null;
  imagePathEnd: string | null;
}

interface Filling {
  now: Date;
  makeId: () => string;
  /** Hears how many exercises have been dealt with so far. */
  onProgress?: (done: number) => void;
}

export interface Filled {
  muscleGroups: number;
  equipment: number;
  tags: number;
  exercises: number;
}

export function toSystemExercise({ steps, ...seed }: SeedExercise, id: string): SystemExercise {
  return {
    ...seed,
    id,
    name: tidyName(seed.name),
    nameKey: nameKey(seed.name),
    slug: slugOf(seed.name),
    instructions: steps.length === 0 ? null : steps.join('\n'),
    imagePathStart: null,
    imagePathEnd: null,
  };
}

/** Fills a catalog in which there is nothing yet, and leaves any other alone: what was deleted stays deleted. */
export async function fillEmptyCatalog(tx: Sql, filling: Filling): Promise<Filled | undefined> {
  if (await systemCatalogExists(tx)) return undefined;
  // Another node that starts at the same moment may be filling it.
  await lockSystemCatalog(tx);
  if (await systemCatalogExists(tx)) return undefined;
  return await fillCatalog(tx, filling);
}

/** Adds what is missing of our seed. What is there stays as it is, even if it was changed. */
export async function fillCatalog(tx: Sql, filling: Filling): Promise<Filled> {
  await lockSystemCatalog(tx);
  const muscleGroups = await addNames(tx, referenceTables.muscleGroups, seedMuscleGroups);
  const equipment = await addNames(tx, referenceTables.equipment, seedEquipment);
  const tags = await addNames(tx, referenceTables.tags, seedTags);
  const given = seedExercises.map((seed) => toSystemExercise(seed, filling.makeId()));
  return { muscleGroups, equipment, tags, exercises: await addMissing(tx, given, filling) };
}

/** Adds the exercises the catalog does not have, and the names of the lists that those need. */
export async function addSystemExercises(
  tx: Sql,
  given: readonly SystemExercise[],
  filling: Filling,
): Promise<number> {
  await lockSystemCatalog(tx);
  return await addMissing(tx, given, filling);
}

const batchSize = 200;

async function addMissing(
  tx: Sql,
  given: readonly SystemExercise[],
  { now, onProgress }: Filling,
): Promise<number> {
  const known = new Set((await selectKnownExercises(tx, given)).map(({ slug }) => slug));
  const missing = given.filter(({ slug }) => !known.has(slug));
  const muscles = missing.flatMap(({ primary, secondary }) => [...primary, ...secondary]);
  await addNames(tx, referenceTables.muscleGroups, muscles);
  await addNames(
    tx,
    referenceTables.equipment,
    missing.flatMap(({ equipment }) => equipment),
  );
  await addNames(
    tx,
    referenceTables.tags,
    missing.flatMap(({ tags }) => tags),
  );
  let added = 0;
  for (let start = 0; start < missing.length; start += batchSize) {
    const batch = missing.slice(start, start + batchSize);
    added += await insertSystemExercises(tx, batch, now);
    onProgress?.(known.size + start + batch.length);
  }
  return added;
}

/** Reads before it writes: an insert that adds nothing would still use up ids and announce a change. */
async function addNames(tx: Sql, table: SqlPart, names: readonly string[]): Promise<number> {
  const missing = await selectMissingNames(tx, table, [...new Set(names)]);
  return missing.length === 0 ? 0 : await insertReferenceNames(tx, table, missing);
}
