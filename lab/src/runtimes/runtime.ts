/** The runtimes that our server is measured on, all of them npm packages with a program in it. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { exitStatus, LabError } from '../exit-status.ts';

const run = promisify(execFile);

export interface Runtime {
  name: string;
  /** Pinned; the platform's own package is taken. */
  version: string;
  packageFor(platform: string): string;
  program: string;
  /** It runs TypeScript as it is; otherwise it gets a copy in JavaScript and what it lacks. */
  strips: boolean;
}

const node = (version: string, strips: boolean): Runtime => ({
  name: `node-${version.split('.')[0]}`,
  version,
  packageFor: (platform) => `node-${platform}`,
  program: 'bin/node',
  strips,
});

/** The first is the one the project pins, what the others are compared with. */
export const runtimes: readonly Runtime[] = [
  node('26.10.0', true),
  node('24.21.0', true),
  node('20.20.2', false),
  {
    name: 'bun',
    version: '1.4.5',
    packageFor: (platform) => `@oven/bun-${platform}`,
    program: 'bin/bun',
    strips: true,
  },
];

interface InstallOptions {
  folder: string;
  environment: Readonly<Record<string, string | undefined>>;
  interrupted: AbortSignal;
  say(line: string): void;
}

/**
 * Installs a runtime into a folder of its own, without running any script of the package.
 *
 * @returns the path of its program
 * @throws LabError when npm cannot have it
 */
export async function installRuntime(runtime: Runtime, options: InstallOptions): Promise<string> {
  if (runtime.name.startsWith('node-') && runtime.version === process.versions.node) return process.execPath;
  const folder = join(options.folder, `${runtime.name}-${runtime.version}`);
  const name = runtime.packageFor(`${process.platform}-${process.arch}`);
  const program = join(folder, 'node_modules', name, runtime.program);
  if (existsSync(program)) return program;
  options.say(`Installing ${name} ${runtime.version}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', `${name}@${runtime.version}`];
  try {
    await run('npm', args, { cwd: folder, env: { ...options.environment }, signal: options.interrupted });
  } catch (error) {
    if (options.interrupted.aborted) throw error;
    throw new LabError(exitStatus.tool, `npm could not install ${name} ${runtime.version}.`, {
      cause: error,
    });
  }
  if (!existsSync(program)) {
    throw new LabError(exitStatus.tool, `${name} ${runtime.version} has no ${runtime.program}.`);
  }
  return program;
}
