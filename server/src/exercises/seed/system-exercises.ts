/** Puts system exercises and the lists they name into the catalog: from our own seed, and from an imported file. */
import { type Audit, commandLine } from '../../audit/audit.ts';
import type { Sql } from '../../database/sql.ts';
import { nameKey, slugOf, tidyName } from '../names.ts';
import { seedExercises } from './seed-exercises.ts';
import {
  insertReferenceNames,
  insertSystemExercises,
  lockSystemCatalog,
  type ReferenceList,
  referenceLists,
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
  /** Where to record what was added; absent at the first start, whose catalog nobody changed. */
  audit?: Audit;
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
  const muscleGroups = await addNames(tx, referenceLists.muscleGroups, seedMuscleGroups, filling);
  const equipment = await addNames(tx, referenceLists.equipment, seedEquipment, filling);
  const tags = await addNames(tx, referenceLists.tags, seedTags, filling);
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

async function addMissing(tx: Sql, given: readonly SystemExercise[], filling: Filling): Promise<number> {
  const { now, audit, onProgress } = filling;
  const known = new Set((await selectKnownExercises(tx, given)).map(({ slug }) => slug));
  const missing = given.filter(({ slug }) => !known.has(slug));
  const muscles = missing.flatMap(({ primary, secondary }) => [...primary, ...secondary]);
  const equipment = missing.flatMap((exercise) => exercise.equipment);
  const tags = missing.flatMap((exercise) => exercise.tags);
  await addNames(tx, referenceLists.muscleGroups, muscles, filling);
  await addNames(tx, referenceLists.equipment, equipment, filling);
  await addNames(tx, referenceLists.tags, tags, filling);
  let count = 0;
  for (let start = 0; start < missing.length; start += batchSize) {
    const batch = missing.slice(start, start + batchSize);
    const added = await insertSystemExercises(tx, batch, now);
    const events = added.map(({ id, name }) => ({
      action: 'exercise.created' as const,
      details: { exerciseId: id, name },
    }));
    await audit?.recordAll(tx, commandLine, events);
    count += added.length;
    onProgress?.(known.size + start + batch.length);
  }
  return count;
}

/** Reads before it writes: an insert that adds nothing would still use up ids and announce a change. */
async function addNames(
  tx: Sql,
  { table, slug }: ReferenceList,
  names: readonly string[],
  { audit }: Filling,
): Promise<number> {
  const missing = await selectMissingNames(tx, table, [...new Set(names)]);
  if (missing.length === 0) return 0;
  const added = await insertReferenceNames(tx, table, missing);
  const events = added.map((item) => ({
    action: 'catalog_item.created' as const,
    details: { list: slug, ...item },
  }));
  await audit?.recordAll(tx, commandLine, events);
  return added.length;
}
