/** What a command of the lab is, and what it gets from the process. */
import type { ExitStatus } from '../exit-status.ts';

export interface LabContext {
  stdout: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  stderr: NodeJS.WritableStream & { isTTY?: boolean };
  environment: Readonly<Record<string, string | undefined>>;
  cwd: string;
  /** The command line as typed, without the program. */
  args: readonly string[];
  /** Aborted by SIGINT or SIGTERM: stop the load, stop what was started, say so. */
  interrupted: AbortSignal;
}

export interface LabOption {
  type: 'string' | 'boolean';
  short?: string;
  multiple?: boolean;
  /** One line for --help, with unit and default. */
  help: string;
}

export type OptionValues = Readonly<
  Record<string, string | boolean | readonly (string | boolean)[] | undefined>
>;

export interface LabCommand {
  summary: string;
  /** After the name: "<url | scenario.ts> [options]". */
  usage: string;
  options: Readonly<Record<string, LabOption>>;
  /** Beside options; any number unless told. */
  mostArguments?: number;
  /** @throws LabError with the exit status */
  run(positionals: readonly string[], values: OptionValues, context: LabContext): Promise<ExitStatus>;
}
