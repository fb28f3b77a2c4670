/** The command line: finds the command, reads its options, and turns what went wrong into a sentence and a status. */
import { parseArgs } from 'node:util';
import { commands } from './commands/command-table.ts';
import type { LabCommand, LabContext } from './commands/lab-command.ts';
import { checkOutputPlaces } from './commands/output-place.ts';
import { renderReference } from './commands/reference.ts';
import { type ExitStatus, exitStatus, LabError } from './exit-status.ts';
import { labVersion } from './version.ts';

async function main(context: LabContext): Promise<ExitStatus> {
  const [name, ...rest] = context.args;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    (name === undefined ? context.stderr : context.stdout).write(describeCommands());
    return name === undefined ? exitStatus.tool : exitStatus.ok;
  }
  if (name === 'reference') {
    context.stdout.write(renderReference(commands));
    return exitStatus.ok;
  }
  if (name === '--version' || name === '-v') {
    context.stdout.write(`${labVersion}\n`);
    return exitStatus.ok;
  }
  const command = commands.get(name);
  if (command === undefined) {
    throw new LabError(exitStatus.tool, `There is no command ${name}. See irontrack-lab --help.`);
  }
  const { positionals, values } = readOptions(name, command, rest);
  if (values.help === true) {
    context.stdout.write(describeCommand(name, command));
    return exitStatus.ok;
  }
  const surplus = command.mostArguments === undefined ? undefined : positionals[command.mostArguments];
  if (surplus !== undefined) {
    const sentence = `${JSON.stringify(surplus)} is one argument too many. See irontrack-lab ${name} --help.`;
    throw new LabError(exitStatus.tool, sentence);
  }
  checkOutputPlaces(values, context.cwd);
  return command.run(positionals, values, context);
}

function readOptions(name: string, command: LabCommand, args: string[]) {
  const options = { ...command.options, help: { type: 'boolean', short: 'h' } as const };
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message.split(/\. |\.?\n/)[0] : String(error);
    throw new LabError(exitStatus.tool, `${reason}. See irontrack-lab ${name} --help.`);
  }
}

function describeCommands(): string {
  const width = Math.max(...[...commands.keys()].map((name) => name.length));
  const rows = [...commands].map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return (
    `IronTrack lab ${labVersion}: measures any HTTP server, shows why it is slow, decides whether a change helped\n\n` +
    `Usage: irontrack-lab <command> [options]\n\nCommands:\n${rows.join('\n')}\n\n` +
    'irontrack-lab <command> --help tells more.\n' +
    'Exit status: 0 ok, 1 wrong usage or the lab failed, 2 regression, 3 unstable or cannot tell,\n' +
    '4 load not delivered or too many errors, 5 no or incompatible baseline.\n'
  );
}

function describeCommand(name: string, { summary, usage, options }: LabCommand): string {
  const rows = Object.entries(options).map(
    ([option, { type, short, help }]) =>
      `  ${short === undefined ? '' : `-${short}, `}--${option}${type === 'string' ? ' VALUE' : ''}\n      ${help}`,
  );
  const list = rows.length === 0 ? '' : `\nOptions:\n${rows.join('\n')}\n`;
  return `Usage: irontrack-lab ${name} ${usage}\n\n${summary}\n${list}`;
}

const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => interruption.abort(new LabError(exitStatus.tool, `Stopped by ${signal}.`)));
}

// A reader that has seen enough (`| head`) is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

try {
  process.exitCode = await main({
    stdout: process.stdout,
    stderr: process.stderr,
    environment: process.env,
    cwd: process.cwd(),
    args: process.argv.slice(2),
    interrupted: interruption.signal,
  });
} catch (thrown) {
  // A timer that was interrupted throws an error of its own, which says less than the reason.
  const isAbort = interruption.signal.aborted && thrown instanceof Error && thrown.name === 'AbortError';
  const error: unknown = isAbort ? interruption.signal.reason : thrown;
  // A fault of the lab itself shows its stack, so that it can be reported; everything else is one sentence.
  const known = error instanceof LabError;
  process.stderr.write(
    known ? `irontrack-lab: ${error.message}\n` : `irontrack-lab failed: ${describeFault(error)}\n`,
  );
  process.exitCode = known ? error.status : exitStatus.tool;
}

function describeFault(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
