/** The command line: finds the command, reads its options, and turns what went wrong into words and a status. */
import { constants } from 'node:os';
import { parseArgs } from 'node:util';
import type { Command, CommandContext } from './commands/command.ts';
import { createSuperuser } from './commands/create-superuser.ts';
import { importExercises } from './commands/import-exercises.ts';
import { migrateCommand } from './commands/migrate.ts';
import { openApiCommand } from './commands/openapi.ts';
import { rotateSigningKey } from './commands/rotate-signing-key.ts';
import { seed } from './commands/seed.ts';
import { serve } from './commands/serve.ts';
import { serveAsWorker } from './commands/serve-as-worker.ts';
import { worker } from './commands/worker.ts';
import { holdTickShape } from './http/tick-shape.ts';
import { exitStatus, StartupError } from './startup-error.ts';
import { version } from './version.ts';

const commands: ReadonlyMap<string, Command> = new Map([
  ['serve', serve],
  ['serve-as-worker', serveAsWorker],
  ['worker', worker],
  ['migrate', migrateCommand],
  ['seed', seed],
  ['import-exercises', importExercises],
  ['create-superuser', createSuperuser],
  ['rotate-signing-key', rotateSigningKey],
  ['openapi', openApiCommand],
]);

async function run(args: readonly string[], context: CommandContext): Promise<void> {
  const [name, ...rest] = args;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    context.stdout.write(describeCommands());
    if (name === undefined) throw new StartupError(exitStatus.wrongUsage, 'Name a command.');
    return;
  }
  if (name === '--version' || name === '-v') {
    context.stdout.write(`${version}\n`);
    return;
  }
  const command = commands.get(name);
  if (command === undefined) {
    throw new StartupError(exitStatus.wrongUsage, `There is no command ${name}. See irontrack --help.`);
  }
  const values = readOptions(name, command, rest);
  if (values.help === true) context.stdout.write(describeCommand(name, command));
  else await command.run(values, context);
}

function readOptions(name: string, command: Command, args: string[]) {
  const help = { type: 'boolean', short: 'h' } as const;
  const { operand } = command;
  try {
    const options = { ...command.options, help };
    const { values, positionals } = parseArgs({ args, options, allowPositionals: operand !== undefined });
    if (operand === undefined || values.help === true) return values;
    const [given, ...more] = positionals;
    if (given === undefined) throw new Error(`Name the ${operand}`);
    if (more.length > 0) throw new Error(`Unexpected argument '${more[0]}'`);
    return { ...values, [operand]: given };
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('. ')[0] : String(error);
    throw new StartupError(exitStatus.wrongUsage, `${reason}. See irontrack ${name} --help.`);
  }
}

function describeCommands(): string {
  const width = Math.max(...[...commands.keys()].map((name) => name.length));
  const rows = [...commands]
    .filter(([, { isInternal }]) => isInternal !== true)
    .map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return (
    `IronTrack ${version}\n\nUsage: irontrack <command> [options]\n\nCommands:\n${rows.join('\n')}\n\n` +
    'irontrack <command> --help tells more. Settings come from the environment: docs/configuration.md.\n' +
    'Exit status: 0 done, 64 wrong usage, 69 something it needs cannot be reached, 78 bad configuration.\n'
  );
}

function describeCommand(name: string, { summary, operand, options }: Command): string {
  const rows = Object.entries(options).map(([option, { type, help }]) => {
    return `  --${option}${type === 'string' ? ' VALUE' : ''}\n      ${help}`;
  });
  const list = rows.length === 0 ? '' : `\nOptions:\n${rows.join('\n')}\n`;
  const usage = `${name}${operand === undefined ? '' : ` ${operand}`}${rows.length === 0 ? '' : ' [options]'}`;
  return `Usage: irontrack ${usage}\n\n${summary}\n${list}`;
}

/** A signal that comes again this soon is the same one: Ctrl-C reaches the launcher too, which hands it on. */
const sameSignalMs = 1_000;

/** Resolves when the process is asked to end, or when the launcher that started it is gone. */
function untilSignal(onHangUp?: () => void): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let firstAt: number | undefined;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (signal === 'SIGHUP' && onHangUp !== undefined) {
        // Nothing is restarted any more by who is ending, and open requests are not cut off for it.
        if (firstAt === undefined) onHangUp();
        return;
      }
      firstAt ??= performance.now();
      // Whoever asks again does not want to wait. The shell's convention for a process ended by a signal.
      if (performance.now() - firstAt > sameSignalMs) process.exit(128 + constants.signals[signal]);
      resolve(signal);
    });
  }
  process.once('disconnect', () => resolve('disconnect'));
  const { env } = process;
  if (env.npm_lifecycle_event !== undefined) watchParent(() => resolve('parent gone'));
  return promise;
}

/** How often it is looked for. */
const parentLookMs = 500;

/**
 * npm runs a script in a shell, and that one dies of a signal without handing it on: whoever ends `npm start` by a
 * signal would leave the server behind, with nobody's child and the port.
 */
function watchParent(onGone: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onGone();
  }, parentLookMs);
  timer.unref();
}

/** The supervisor, to the process that it started. */
const supervisor: CommandContext['supervisor'] =
  process.send === undefined
    ? undefined
    : {
        send: (message) => void process.send?.(message, undefined, undefined, () => undefined),
        onMessage(listener) {
          process.on('message', listener);
          process.channel?.ref();
        },
      };

// Before anything queues its first tick; see the file.
holdTickShape();

// The channel to the launcher must not keep the process alive.
process.channel?.unref();

try {
  const { stdin, stdout, stderr, env } = process;
  await run(process.argv.slice(2), {
    environment: env,
    stdin,
    stdout,
    stderr,
    untilSignal,
    supervisor,
    exit: () => process.exit(0),
  });
  process.exitCode ??= exitStatus.done;
} catch (error) {
  if (error instanceof StartupError) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error.status;
  } else {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = 1;
  }
  // Whoever listens to the supervisor holds the channel: a worker that has failed would stay, and be waited for.
  process.channel?.unref();
}
