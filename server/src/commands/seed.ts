import { roles } from '@irontrack/contract/roles.ts';
import { uuidv7 } from 'uuidv7';
import { systemClock } from '../clock.ts';
import { connectPool, type DatabaseAddress } from '../database/client.ts';
import { inTransaction } from '../database/database.ts';
import {
  analyzeGenerated,
  announceCatalog,
  copyExercises,
  copyRelations,
  copyUsers,
  lockGeneration,
  selectSystemNames,
  suspendTriggers,
  userExists,
} from '../exercises/seed/generated-exercises.sql.ts';
import {
  generatedEmail,
  generateExercises,
  mostGeneratedExercises,
} from '../exercises/seed/generated-exercises.ts';
import { type Filled, fillCatalog } from '../exercises/seed/system-exercises.ts';
import { insertMissingRoles } from '../roles/roles.sql.ts';
import { exitStatus, StartupError } from '../startup-error.ts';
import type { Command, CommandContext } from './command.ts';
import { withDatabase } from './database-access.ts';
import { explainLoss, inOneTransaction } from './one-transaction.ts';
import { createProgress, formatCount } from './progress.ts';

export const seed: Command = {
  summary: 'Add the roles and the exercises that come with IronTrack where they are missing.',
  options: {
    exercises: {
      type: 'string',
      help: 'Also generate so many exercises, and users who own them, for load tests. Never on a real database.',
    },
    seed: {
      type: 'string',
      help: 'A number that decides what is generated: the same one, the same data. 1 unless told.',
    },
  },
  async run(values, context) {
    const { exercises, seed: given = '1' } = values;
    if (exercises === undefined && values.seed !== undefined) {
      throw new StartupError(exitStatus.wrongUsage, 'Say how many to generate as well: --exercises 500000.');
    }
    const count =
      exercises === undefined ? 0 : readNumber('--exercises', exercises, 1, mostGeneratedExercises);
    const seedNumber = readNumber('--seed', given, 0, 2 ** 32 - 1);
    await withDatabase(context, async ({ address, directAddress }) => {
      const filled = await fill(address);
      context.stdout.write(`${describe(filled)}\n`);
      if (count > 0) await generate(directAddress, { count, seed: seedNumber }, context);
    });
  },
};

function readNumber(option: string, value: unknown, least: number, most: number): number {
  const number = typeof value === 'string' && /^\d{1,12}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new StartupError(
    exitStatus.wrongUsage,
    `${option} must be a whole number from ${least} to ${most}, not ${JSON.stringify(value)}.`,
  );
}

/** It takes a tenth of a second. */
const timeoutMs = 60_000;

async function fill(address: DatabaseAddress): Promise<Filled> {
  return await inOneTransaction(address, timeoutMs, async (tx, audit) => {
    await insertMissingRoles(tx, roles);
    return await fillCatalog(tx, { now: systemClock(), makeId: uuidv7, audit });
  });
}

function describe({ muscleGroups, equipment, tags, exercises }: Filled): string {
  if (muscleGroups + equipment + tags + exercises === 0) return 'The catalog is complete: nothing was added.';
  return (
    `Added to the catalog: muscle groups ${muscleGroups}, equipment ${equipment}, tags ${tags}, ` +
    `exercises ${exercises}.`
  );
}

interface Generation {
  count: number;
  seed: number;
}

/** Past the pooler and without a deadline: it is one transaction of half a minute. */
async function generate(
  address: DatabaseAddress,
  { count, seed: seedNumber }: Generation,
  { stdout, stderr }: CommandContext,
): Promise<void> {
  const now = () => performance.now();
  const startedAt = now();
  const client = connectPool(address, 1);
  try {
    const rows = await inTransaction(client, async (tx) => {
      await lockGeneration(tx);
      if (await userExists(tx, generatedEmail(seedNumber, 0))) {
        throw new StartupError(
          exitStatus.wrongUsage,
          `The exercises of --seed ${seedNumber} are here already. Another --seed makes other ones.`,
        );
      }
      const known = await selectSystemNames(tx);
      const taken = {
        nameKeys: new Set(known.map((row) => row.nameKey)),
        slugs: new Set(known.map((row) => row.slug)),
      };
      const generated = generateExercises({ count, seed: seedNumber, taken });
      const total = generated.users.length + generated.count + generated.relatedCount;
      const progress = createProgress(stderr, 'rows', total, now);
      let done = 0;
      const onRow = () => {
        done += 1;
        if (done % 1_000 === 0) progress.show(done);
      };
      try {
        const isSilent = await suspendTriggers(tx);
        await copyUsers(tx, generated.users, onRow);
        const exercises = await copyExercises(tx, generated, onRow);
        await copyRelations(tx, exercises, onRow);
        if (isSilent) await announceCatalog(tx);
      } finally {
        progress.clear();
      }
      return total;
    });
    await analyzeGenerated(client);
    const seconds = (now() - startedAt) / 1_000;
    stdout.write(
      `Generated ${formatCount(count)} exercises: ${formatCount(rows)} rows with their users and related rows ` +
        `in ${seconds.toFixed(1)} s, ${formatCount(Math.round(rows / seconds))} rows a second.\n`,
    );
  } catch (error) {
    throw explainLoss(error);
  } finally {
    await client.end({ timeout: 5 });
  }
}
