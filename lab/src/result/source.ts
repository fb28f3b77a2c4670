/** From which commit something was measured, when the folder is in a git work tree. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { RunResult } from './result.ts';

const execute = promisify(execFile);

/** null without git, outside a work tree, before the first commit, or where git refuses the folder's owner. */
export async function readSource(cwd: string): Promise<RunResult['source']> {
  // Without the optional locks a developer's own git command never fails because we looked.
  const git = async (...args: string[]): Promise<string> => {
    const { stdout } = await execute('git', ['--no-optional-locks', ...args], { cwd, timeout: 10_000 });
    return stdout.trim();
  };
  try {
    const sha = await git('rev-parse', '--verify', 'HEAD');
    const dirty = (await git('status', '--porcelain')) !== '';
    const branch = await git('branch', '--show-current');
    return branch === '' ? { sha, dirty } : { sha, dirty, branch };
  } catch {
    return null;
  }
}
