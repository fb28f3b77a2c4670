/** Exercises: the system's, which everybody sees, and the custom ones of each user. */
import type { AuditAction } from '@irontrack/contract/audit.ts';
import type {
  Exercise,
  ExerciseCriteria,
  OwnExerciseChange,
  OwnExerciseCreation,
  SystemExerciseChange,
  SystemExerciseCreation,
} from '@irontrack/contract/exercises.ts';
import { uuidv7 } from 'uuidv7';
import type { Audit } from '../audit/audit.ts';
import type { Clock } from '../clock.ts';
import { type Database, isForeignKeyViolation, isUniqueViolation } from '../database/database.ts';
import type { Sql } from '../database/sql.ts';
import { type Caller, notAuthenticated } from '../http/guard.ts';
import type { RequestSource } from '../http/request-source.ts';
import { Problem } from '../problem.ts';
import { type ExerciseRow, toExercise } from './exercise-row.ts';
import {
  deleteExercise,
  type ExerciseUpdate,
  findExercise,
  findMissing,
  findOwnByName,
  findSystemBySlug,
  insertExercise,
  lockExercise,
  type NewExercise,
  type References,
  replaceReferences,
  updateExercise,
} from './exercises.sql.ts';
import { readName, refuse } from './given-name.ts';
import { describeMissing } from './missing-references.ts';
import { nameKey, slugOf } from './names.ts';
import { writeCatalog } from './write-catalog.ts';

export interface Exercises {
  /** @throws Problem `exercise-references-not-found`, `exercise-name-taken` */
  createOwn(caller: Caller, input: OwnExerciseCreation, source: RequestSource): Promise<Exercise>;
  /** @throws Problem as `createOwn`, and `exercise-slug-taken` */
  createSystem(caller: Caller, input: SystemExerciseCreation, source: RequestSource): Promise<Exercise>;
  /** @throws Problem `exercise-not-found`, `not-permitted` */
  read(caller: Caller, id: string, source: RequestSource): Promise<Exercise>;
  /** @throws Problem `criteria-unclear`, `exercise-not-found` */
  find(caller: Caller, criteria: ExerciseCriteria, source: RequestSource): Promise<Exercise>;
  /** @throws Problem `exercise-not-found`, also for somebody else's, and as `createOwn` */
  changeOwn(caller: Caller, id: string, input: OwnExerciseChange, source: RequestSource): Promise<Exercise>;
  /** @throws Problem `exercise-not-found`, also for a custom one, and as `createSystem` */
  changeSystem(
    caller: Caller,
    id: string,
    input: SystemExerciseChange,
    source: RequestSource,
  ): Promise<Exercise>;
  /** @throws Problem `exercise-not-found`, `not-permitted` */
  remove(caller: Caller, id: string, source: RequestSource): Promise<void>;
}

interface Needs {
  database: Database;
  audit: Audit;
  clock: Clock;
  cdnUrl: string;
  /** Makes the pages that show rows of this owner be read anew; null for the system's. */
  forgetPagesOf: (ownerId: string | null) => void;
}

type Input = Omit<SystemExerciseChange, 'instructions'> & Pick<OwnExerciseChange, 'instructions'>;

export function createExercises({ database, audit, clock, cdnUrl, forgetPagesOf }: Needs): Exercises {
  /** The system's are everybody's business; what people keep for themselves is not. */
  async function record(
    tx: Sql,
    caller: Caller,
    source: RequestSource,
    action: AuditAction,
    { ownerId, ...details }: { ownerId: string | null; exerciseId: string; name: string },
  ): Promise<void> {
    if (ownerId !== null) return;
    await audit.record(tx, source, { action, actorId: caller.user.id, details });
  }

  /** Writes in one transaction: commit, then invalidate, then answer. */
  async function write(
    ownerId: string | null,
    references: References,
    source: RequestSource,
    work: (tx: Sql) => Promise<ExerciseRow | undefined>,
  ): Promise<Exercise> {
    let row: ExerciseRow | undefined;
    try {
      row = await writeCatalog(database, source.requestId, work);
    } catch (error) {
      throw await explain(error, references, source);
    }
    forgetPagesOf(ownerId);
    if (row === undefined) throw new Problem('exercise-not-found');
    return toExercise(row, cdnUrl);
  }

  async function explain(error: unknown, references: References, source: RequestSource): Promise<unknown> {
    if (isUniqueViolation(error, 'exercises_own_name') || isUniqueViolation(error, 'exercises_system_name')) {
      return new Problem('exercise-name-taken');
    }
    if (isUniqueViolation(error, 'exercises_system_slug')) return new Problem('exercise-slug-taken');
    // Deleted by somebody between the look and the commit: an entry of a list, or the caller.
    if (isForeignKeyViolation(error, 'exercises_owner_id_fkey')) return notAuthenticated();
    if (!isForeignKeyViolation(error)) return error;
    return describeMissing(await findMissing(database.forRequest(source.requestId), references)) ?? error;
  }

  async function requireReferences(tx: Sql, references: References): Promise<void> {
    const missing = describeMissing(await findMissing(tx, references));
    if (missing !== undefined) throw missing;
  }

  async function create(
    caller: Caller,
    ownerId: string | null,
    input: OwnExerciseCreation | SystemExerciseCreation,
    source: RequestSource,
  ): Promise<Exercise> {
    const given: Input = input;
    const name = readName(input.name);
    const exercise: NewExercise = {
      id: uuidv7(),
      ownerId,
      name,
      nameKey: nameKey(name),
      slug: ownerId === null ? requireSlug(name) : null,
      force: given.force ?? null,
      difficultyLevel: input.difficultyLevel,
      mechanic: given.mechanic ?? null,
      category: input.category,
      instructions: given.instructions ?? null,
      imagePathStart: given.imagePathStart ?? null,
      imagePathEnd: given.imagePathEnd ?? null,
    };
    const references = referencesOf(given);
    return await write(ownerId, references, source, async (tx) => {
      await requireReferences(tx, references);
      await insertExercise(tx, exercise, clock());
      await replaceReferences(tx, exercise.id, references);
      const details = { ownerId, exerciseId: exercise.id, name };
      await record(tx, caller, source, 'exercise.created', details);
      return await findExercise(tx, exercise.id);
    });
  }

  async function change(
    caller: Caller,
    ownerId: string | null,
    id: string,
    input: Input,
    source: RequestSource,
  ): Promise<Exercise> {
    const name = input.name === undefined ? undefined : readName(input.name);
    const update: ExerciseUpdate = {
      ...scalarsOf(input),
      ...(name === undefined ? {} : { name, nameKey: nameKey(name) }),
      ...(name === undefined || ownerId !== null ? {} : { slug: requireSlug(name) }),
    };
    const references = referencesOf(input);
    return await write(ownerId, references, source, async (tx) => {
      const before = await lockExercise(tx, id);
      if (before === undefined || before.ownerId !== ownerId) throw new Problem('exercise-not-found');
      await requireReferences(tx, references);
      await updateExercise(tx, id, update, clock());
      await replaceReferences(tx, id, references);
      const details = { ownerId, exerciseId: id, name: name ?? before.name };
      await record(tx, caller, source, 'exercise.updated', details);
      return await findExercise(tx, id);
    });
  }

  return {
    createOwn: (caller, input, source) => create(caller, caller.user.id, input, source),
    createSystem: (caller, input, source) => create(caller, null, input, source),
    changeOwn: (caller, id, input, source) => change(caller, caller.user.id, id, input, source),
    changeSystem: (caller, id, input, source) => change(caller, null, id, input, source),

    async read({ user }, id, source) {
      const row = await findExercise(database.forRequest(source.requestId), id);
      if (row === undefined) throw new Problem('exercise-not-found');
      const isVisible =
        row.createdBy === null || row.createdBy === user.id || user.roleSlug === 'fitness-trainer';
      if (!isVisible) throw new Problem('not-permitted');
      return toExercise(row, cdnUrl);
    },

    async find({ user }, { name, slug }, source) {
      const sql = database.forRequest(source.requestId);
      if ((name === undefined) === (slug === undefined)) throw new Problem('criteria-unclear');
      const row =
        name === undefined
          ? await findSystemBySlug(sql, slug ?? '')
          : await findOwnByName(sql, user.id, nameKey(name));
      if (row === undefined) throw new Problem('exercise-not-found');
      return toExercise(row, cdnUrl);
    },

    async remove(caller, id, source) {
      const ownerId = await writeCatalog(database, source.requestId, async (tx) => {
        const exercise = await lockExercise(tx, id);
        if (exercise === undefined) throw new Problem('exercise-not-found');
        const isAllowed =
          exercise.ownerId === null ? caller.user.isSuperuser : exercise.ownerId === caller.user.id;
        if (!isAllowed) throw new Problem('not-permitted');
        await deleteExercise(tx, id);
        await record(tx, caller, source, 'exercise.deleted', { ...exercise, exerciseId: id });
        return exercise.ownerId;
      });
      forgetPagesOf(ownerId);
    },
  };
}

function requireSlug(name: string): string {
  const slug = slugOf(name);
  if (slug === '') throw refuse('value_error', 'Needs a letter or a digit for its slug');
  return slug;
}

function referencesOf({ primaryMuscles, secondaryMuscles, equipment, tags }: Input): References {
  return { primaryMuscles, secondaryMuscles, equipment, tags };
}

function scalarsOf(input: Input): ExerciseUpdate {
  const { force, difficultyLevel, mechanic, category, instructions, imagePathStart, imagePathEnd } = input;
  return { force, difficultyLevel, mechanic, category, instructions, imagePathStart, imagePathEnd };
}
