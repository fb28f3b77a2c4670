/** One path of the service beside a bare server that writes the same bytes, in alternation on the same core. */
import { execFile, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Serving } from './serving.ts';

const run = promisify(execFile);
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export async function compareWithBare(
  say: (line: string) => void,
  serving: Serving,
  path: string,
  headers: string[],
): Promise<void> {
  const target = `${serving.url}${path}`;
  const headerOptions = headers.flatMap((line) => ['--header', line]);
  const port = '19911';
  const bare = spawn(
    'taskset',
    ['-c', '0', process.execPath, here('bare.ts'), '--port', port, '--like', target, ...headerOptions],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await new Promise((resolve) => bare.stdout.once('data', resolve));
  try {
    const pids = ['--pid', `bare=${bare.pid}`, '--pid', `ours=${serving.pid}`];
    const targets = [`bare=http://127.0.0.1:${port}${path}`, `ours=${target}`];
    const args = [here('compare.ts'), '--rounds', '15', ...headerOptions, ...pids, ...targets];
    say((await run(process.execPath, args)).stdout);
  } finally {
    bare.kill('SIGTERM');
  }
}
