import type postgres from 'postgres';
import { type CopyValue, copyRows } from '../../database/copy.ts';
import { nameKey, slugOf } from '../names.ts';
import type { Generated, GeneratedExercise } from './generated-exercises.ts';

type Tx = postgres.TransactionSql;
type Written = Pick<GeneratedExercise, 'id' | 'ownerId' | 'base'>;

/** Matches no password: it has the form of no hash, and costs a sign-in as much as any other. */
const unusableHash = '!';

/** Lets one generation at a time look for what is taken, until the transaction ends. */
export async function lockGeneration(tx: Tx): Promise<void> {
  await tx`select pg_advisory_xact_lock(hashtextextended('irontrack:system-catalog', 0))`;
}

export async function userExists(tx: Tx, email: string): Promise<boolean> {
  const rows = await tx`select 1 as found from users where email = ${email}`;
  return rows.length > 0;
}

export async function selectSystemNames(tx: Tx): Promise<{ nameKey: string; slug: string }[]> {
  return await tx<{ nameKey: string; slug: string }[]>`
    select name_key as "nameKey", slug from exercises where owner_id is null`;
}

/**
 * Until the transaction ends no trigger runs: neither our announcements, which tell of every row, nor the checks of the
 * foreign keys, which take half the time. What they check is so: the users and exercises are written by the same
 * transaction, and the lists are locked as the checks would lock them.
 *
 * @returns false when this role may not, and the load is slower
 */
export async function suspendTriggers(tx: Tx): Promise<boolean> {
  const [row] = await tx<{ isAllowed: boolean }[]>`
    select case when rolsuper then true
      else has_parameter_privilege('session_replication_role', 'set') end as "isAllowed"
    from pg_roles where rolname = current_user`;
  if (row?.isAllowed !== true) return false;
  await tx`set local session_replication_role = replica`;
  return true;
}

export async function announceCatalog(tx: Tx): Promise<void> {
  await tx`select pg_notify('irontrack_changes', 'exercises:all')`;
}

export async function copyUsers(tx: Tx, users: Generated['users'], onRow: () => void): Promise<void> {
  function* rows(): Generator<CopyValue[]> {
    for (const { id, email, name, createdAt } of users) {
      onRow();
      yield [id, email, name, unusableHash, createdAt, createdAt];
    }
  }
  await copyRows(
    tx,
    'copy users (id, email, name, password_hash, created_at, updated_at) from stdin',
    rows(),
  );
}

/** @returns what was written, for the rows that refer to it */
export async function copyExercises(tx: Tx, generated: Generated, onRow: () => void): Promise<Written[]> {
  const written: Written[] = [];
  function* rows(): Generator<CopyValue[]> {
    for (const { id, ownerId, name, createdAt, base, hasInstructions } of generated.exercises()) {
      onRow();
      written.push({ id, ownerId, base });
      yield [
        id,
        ownerId,
        name,
        nameKey(name),
        ownerId === null ? slugOf(name) : null,
        base.force,
        base.level,
        base.mechanic,
        base.category,
        hasInstructions ? base.steps.join('\n') : null,
        createdAt,
        createdAt,
      ];
    }
  }
  const statement = `
    copy exercises (id, owner_id, name, name_key, slug, force, difficulty_level, mechanic, category, instructions,
      created_at, updated_at)
    from stdin`;
  await copyRows(tx, statement, rows());
  return written;
}

interface Relation {
  table: string;
  column: string;
  list: string;
  namesOf: (exercise: Written) => readonly string[];
}

const relations: readonly Relation[] = [
  {
    table: 'exercise_primary_muscles',
    column: 'muscle_group_id',
    list: 'muscle_groups',
    namesOf: ({ base }) => base.primary,
  },
  {
    table: 'exercise_secondary_muscles',
    column: 'muscle_group_id',
    list: 'muscle_groups',
    namesOf: ({ base }) => base.secondary,
  },
  {
    table: 'exercise_equipment',
    column: 'equipment_id',
    list: 'equipment',
    namesOf: ({ base }) => base.equipment,
  },
  {
    table: 'exercise_tagging',
    column: 'tag_id',
    list: 'exercise_tags',
    // Users have no tags to give.
    namesOf: ({ base, ownerId }) => (ownerId === null ? base.tags : []),
  },
];

/** The rows that tie exercises to the lists, one table after the other. */
export async function copyRelations(tx: Tx, exercises: readonly Written[], onRow: () => void): Promise<void> {
  for (const { table, column, list, namesOf } of relations) {
    const items = await tx<{ id: number; name: string }[]>`
      select id, name from ${tx(list)} order by id for key share`;
    const ids = new Map(items.map(({ id, name }) => [name, id]));
    function* rows(): Generator<CopyValue[]> {
      for (const exercise of exercises) {
        for (const name of namesOf(exercise)) {
          const id = ids.get(name);
          if (id === undefined) throw new Error(`${list} lacks ${name}.`);
          onRow();
          yield [exercise.id, id];
        }
      }
    }
    await copyRows(tx, `copy ${table} (exercise_id, ${column}) from stdin`, rows());
  }
}

/** What the planner knows of the tables, and which pages every transaction sees, as after a night of autovacuum. */
export async function analyzeGenerated(client: postgres.Sql): Promise<void> {
  for (const table of ['users', 'exercises', ...relations.map((relation) => relation.table)]) {
    await client`vacuum (analyze) ${client(table)}`;
  }
}
