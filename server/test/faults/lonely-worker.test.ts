import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeFolder } from './process.ts';

test('a worker whose supervisor does not answer ends with the reason instead of staying', async () => {
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
  const worker = fork(main, ['serve-as-worker'], {
    env: { PATH: process.env.PATH, DATA_DIR: makeFolder() },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const patience = setTimeout(() => worker.kill('SIGKILL'), 120_000);
  let written = '';
  worker.stderr?.setEncoding('utf8').on('data', (text: string) => {
    written += text;
  });
  // It is heard, and told nothing.
  worker.on('message', () => undefined);
  const [status] = await once(worker, 'close');
  clearTimeout(patience);
  assert.equal(status, 1, written);
  assert.match(written, /No answer to join/);
});
