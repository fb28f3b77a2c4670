/** Installs what is compared into a folder of its own, from the pinned lists beside the scenarios. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { exitStatus, LabError } from '../exit-status.ts';
import type { Peer } from './peer.ts';

const run = promisify(execFile);

interface InstallOptions {
  /** Where the files of the peers are. */
  source: string;
  /** Where they are installed; kept for the next time. */
  target: string;
  environment: Readonly<Record<string, string | undefined>>;
  interrupted: AbortSignal;
  say(line: string): void;
}

const needs: Readonly<Record<Peer['installer'], string>> = {
  npm: 'It needs npm and its registry.',
  pip: 'It needs Python 3.11 or later with venv (Debian: apt-get install python3-venv), and the package index of pip.',
  none: '',
};

const files = [
  'package.json',
  'package-lock.json',
  '.npmrc',
  'server.mjs',
  'requirements.txt',
  'app.py',
] as const;

/**
 * Installs one peer unless its very files are there already. Install scripts of npm packages do not run.
 *
 * @returns its folder
 * @throws LabError with what npm or pip said last
 */
export async function installPeer(peer: Peer, options: InstallOptions): Promise<string> {
  if (peer.folder === undefined) return options.target;
  const source = join(options.source, peer.folder);
  const folder = join(options.target, peer.folder);
  const mark = join(folder, 'installed');
  const digest = digestOf(source);
  if (existsSync(mark) && readFileSync(mark, 'utf8') === digest) return folder;
  options.say(`Installing ${peer.folder}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const file of files)
    if (existsSync(join(source, file))) cpSync(join(source, file), join(folder, file));
  const steps =
    peer.installer === 'npm'
      ? [['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund']]
      : [
          ['python3', '-m', 'venv', 'venv'],
          ['venv/bin/pip', 'install', '--quiet', '--disable-pip-version-check', '-r', 'requirements.txt'],
        ];
  for (const [program = '', ...args] of steps) {
    try {
      const { environment: env, interrupted: signal } = options;
      await run(program, args, { cwd: folder, env: { ...env }, signal, maxBuffer: 2 ** 24 });
    } catch (error) {
      if (options.interrupted.aborted) throw error;
      throw new LabError(
        exitStatus.tool,
        `${peer.name} could not be installed: ${[program, ...args].join(' ')} failed. ${lastWords(error)}\n${needs[peer.installer]} Or leave it out with --only.`,
        { cause: error },
      );
    }
  }
  writeFileSync(mark, digest);
  return folder;
}

/** Names and versions of the parts that matter, as installed. */
export async function readVersions(peer: Peer, folder: string): Promise<string[]> {
  if (peer.installer === 'none') return [];
  if (peer.installer === 'npm') {
    return peer.parts.map((part) => {
      const text = readFileSync(join(folder, 'node_modules', part, 'package.json'), 'utf8');
      const description: unknown = JSON.parse(text);
      const version =
        typeof description === 'object' && description !== null && Reflect.get(description, 'version');
      return `${part} ${String(version)}`;
    });
  }
  const { stdout } = await run(join(folder, 'venv/bin/pip'), ['freeze', '--disable-pip-version-check']);
  const { stdout: python, stderr } = await run(join(folder, 'venv/bin/python'), ['--version']);
  const wanted = new Set(peer.parts.map((part) => part.toLowerCase()));
  const parts = stdout.split('\n').map((line) => line.split('=='));
  return [
    `${python}${stderr}`.trim(),
    ...parts
      .filter(([name = '']) => wanted.has(name.toLowerCase().replaceAll('_', '-')))
      .map(([name, version]) => `${name} ${version}`),
  ];
}

function digestOf(folder: string): string {
  const digest = createHash('sha256');
  for (const file of readdirSync(folder).toSorted()) {
    if (files.some((known) => known === file)) digest.update(file).update(readFileSync(join(folder, file)));
  }
  return digest.digest('hex');
}

/** Python says on standard output that its venv is not installed. */
function lastWords(error: unknown): string {
  const streams = ['stderr', 'stdout'].map((name) => String(Reflect.get(Object(error), name) ?? '').trim());
  const said = streams.find((text) => text !== '') ?? String(error);
  return said.split('\n').slice(-3).join(' ');
}
