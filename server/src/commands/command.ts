import type { ParseArgsConfig } from 'node:util';
import type { Endpoint } from '../workers/link.ts';

/** What every command gets from the process. */
export interface CommandContext {
  environment: Readonly<Record<string, string | undefined>>;
  stdin: NodeJS.ReadStream;
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
  /** Resolves when the process is asked to end. @param onHangUp what SIGHUP does instead of ending it */
  untilSignal: (onHangUp?: () => void) => Promise<string>;
  /** Who started this process and takes messages from it; undefined when nobody does. */
  supervisor: Endpoint | undefined;
  /** Ends the process now, with status 0, whatever may still be under way. */
  exit: () => void;
}

type OptionValues = Readonly<Record<string, string | boolean | undefined>>;

/** One row of the command line. */
export interface Command {
  summary: string;
  /** Started by another command alone: not in the list of commands. */
  isInternal?: boolean;
  /** What must be named after the command, such as `FILE`; it comes among the values under this name. */
  operand?: string;
  options: Readonly<Record<string, NonNullable<ParseArgsConfig['options']>[string] & { help: string }>>;
  /** Resolves when it is done. @throws StartupError with the exit status */
  run(values: OptionValues, context: CommandContext): Promise<void>;
}
