import { type FileHandle, open, stat } from 'node:fs/promises';
import { uuidv7 } from 'uuidv7';
import { systemClock } from '../clock.ts';
import type { DatabaseAddress } from '../database/client.ts';
import { type RefusedRow, readFreeExercises } from '../exercises/seed/free-exercise-db.ts';
import { addSystemExercises, type SystemExercise } from '../exercises/seed/system-exercises.ts';
import { exitStatus, StartupError } from '../startup-error.ts';
import type { Command, CommandContext } from './command.ts';
import { withDatabase } from './database-access.ts';
import { inOneTransaction } from './one-transaction.ts';
import { createProgress, formatCount } from './progress.ts';

export const importExercises: Command = {
  summary: 'Add the exercises of a file in the format of free-exercise-db that the catalog lacks.',
  operand: 'FILE',
  options: {
    'skip-refused': {
      type: 'boolean',
      help: 'Import the other rows when some are refused. Else one refused row refuses the file.',
    },
  },
  async run(values, context) {
    const { FILE: path, 'skip-refused': skipsRefused } = values;
    if (typeof path !== 'string') throw new StartupError(exitStatus.wrongUsage, 'Name the file to import.');
    const { rows, exercises, refused } = readFreeExercises(await readBounded(path), uuidv7);
    sayRefused(refused, context);
    if (refused.length > 0 && skipsRefused !== true) {
      throw new StartupError(
        exitStatus.wrongUsage,
        `Nothing was imported: ${formatCount(refused.length)} of ${countRows(rows)} refused. Correct the file, or ` +
          'leave such rows out with --skip-refused.',
      );
    }
    const added = await withDatabase(context, ({ address }) => add(address, exercises, context));
    const known = exercises.length - added;
    const outcome = [
      added === 0 ? 'nothing was added' : `${formatCount(added)} added`,
      ...(known === 0 ? [] : [`${formatCount(known)} in the catalog already and left as they are`]),
      ...(refused.length === 0 ? [] : [`${formatCount(refused.length)} refused`]),
    ];
    context.stdout.write(`${countRows(rows)} read: ${outcome.join(', ')}.\n`);
  },
};

function countRows(count: number): string {
  return count === 1 ? '1 row' : `${formatCount(count)} rows`;
}

function sayRefused(refused: readonly RefusedRow[], { stderr }: CommandContext): void {
  for (const { row, id, reason } of refused) {
    stderr.write(`Row ${row}${id === undefined ? '' : ` (${id})`} is refused: ${reason}.\n`);
  }
}

/** The real file has one megabyte; parsed, a hostile one of this size takes a few hundred. */
const mostBytes = 16 * 1024 * 1024;

/** @throws StartupError when it cannot be read, is no file or is too large, before reading it */
async function readBounded(path: string): Promise<Uint8Array> {
  const refuse = (fault: string, cause?: unknown) =>
    new StartupError(exitStatus.wrongUsage, `${path} ${fault}.`, { cause });
  let handle: FileHandle | undefined;
  try {
    // Before opening: a pipe would be waited for.
    const { size } = await stat(path).then((found) => {
      if (!found.isFile()) throw refuse('is not a file');
      return found;
    });
    if (size > mostBytes) {
      throw refuse(`has ${formatCount(size)} bytes, and at most ${formatCount(mostBytes)} are read`);
    }
    handle = await open(path);
    const buffer = Buffer.alloc(size);
    let length = 0;
    while (length < size) {
      const { bytesRead } = await handle.read(buffer, length, size - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return buffer.subarray(0, length);
  } catch (error) {
    if (error instanceof StartupError) throw error;
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw refuse('does not exist', error);
    if (code === 'EACCES' || code === 'EPERM') throw refuse('may not be read by this user', error);
    throw refuse(`cannot be read (${String(code ?? error)})`, error);
  } finally {
    await handle?.close();
  }
}

/** For the largest file on a slow disk. */
const timeoutMs = 10 * 60_000;

async function add(
  address: DatabaseAddress,
  exercises: readonly SystemExercise[],
  { stderr }: CommandContext,
): Promise<number> {
  const progress = createProgress(stderr, 'exercises', exercises.length, () => performance.now());
  try {
    return await inOneTransaction(address, timeoutMs, (tx, audit) =>
      addSystemExercises(tx, exercises, {
        now: systemClock(),
        makeId: uuidv7,
        audit,
        onProgress: progress.show,
      }),
    );
  } finally {
    progress.clear();
  }
}
