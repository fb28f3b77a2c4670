import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { exitStatus, StartupError } from '../startup-error.ts';
import { explainListening } from './listen-errors.ts';

type Listen = { host: string; port: number } | { path: string };

/** Really listens and explains what happened. */
async function failToListen(listen: Listen): Promise<StartupError> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  server.once('error', resolve);
  server.listen(listen, () => server.close(() => reject(new Error('It listened.'))));
  const explained = explainListening(await promise, { listen });
  if (!(explained instanceof StartupError)) throw explained;
  return explained;
}

async function makeFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'irontrack-listen-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function speaksOfTheSocket({ message }: StartupError, path: string): void {
  assert.match(message, /SOCKET_PATH/);
  assert.ok(message.includes(path), message);
  assert.doesNotMatch(message, /\bPORT\b|\bHOST\b/);
}

test('a socket in a folder that is missing: make the folder or change SOCKET_PATH', async (t) => {
  const path = join(await makeFolder(t), 'missing', 'a.sock');
  const error = await failToListen({ path });
  assert.equal(error.status, exitStatus.badConfiguration);
  speaksOfTheSocket(error, path);
});

test('a socket below a file instead of a folder: change SOCKET_PATH', async (t) => {
  const file = join(await makeFolder(t), 'file');
  await writeFile(file, '');
  const path = join(file, 'a.sock');
  speaksOfTheSocket(await failToListen({ path }), path);
});

test('a socket in a folder without the right to write: give the right or change SOCKET_PATH', async (t) => {
  const folder = join(await makeFolder(t), 'closed');
  await mkdir(folder);
  await chmod(folder, 0o500);
  const asRoot = process.getuid?.() === 0;
  // Root may write everywhere, so as root the test is somebody else meanwhile.
  if (asRoot) process.seteuid?.(65_534);
  try {
    const path = join(folder, 'a.sock');
    const error = await failToListen({ path });
    assert.equal(error.status, exitStatus.badConfiguration);
    assert.match(error.message, /may not/);
    speaksOfTheSocket(error, path);
  } finally {
    if (asRoot) process.seteuid?.(0);
  }
});

test('a file where the socket should be: change SOCKET_PATH', async (t) => {
  const path = join(await makeFolder(t), 'a.sock');
  await writeFile(path, '');
  const error = await failToListen({ path });
  assert.equal(error.status, exitStatus.unavailable);
  speaksOfTheSocket(error, path);
});

test('a path that is too long for a socket: change SOCKET_PATH', async (t) => {
  const path = join(await makeFolder(t), `${'a'.repeat(120)}.sock`);
  speaksOfTheSocket(await failToListen({ path }), path);
});

test('a port in use: choose another PORT', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  try {
    const address = other.address();
    assert.ok(typeof address === 'object' && address !== null);
    const error = await failToListen({ host: '127.0.0.1', port: address.port });
    assert.equal(error.status, exitStatus.unavailable);
    assert.match(error.message, /another PORT/);
    assert.doesNotMatch(error.message, /SOCKET_PATH/);
  } finally {
    other.close();
  }
});
