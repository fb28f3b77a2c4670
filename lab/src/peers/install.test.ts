import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { installPeer } from './install.ts';
import { peers } from './peer.ts';

const source = fileURLToPath(new URL('../../peers/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'irontrack-lab-install-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** @param programs folder of the programs that are there */
function installFastApi(programs: string): Promise<string> {
  const peer = peers.find(({ name }) => name === 'fastapi-uvicorn') ?? assert.fail('no FastAPI');
  return installPeer(peer, {
    source,
    target: join(folder, 'target'),
    environment: { PATH: programs },
    interrupted: new AbortController().signal,
    say: () => undefined,
  });
}

const remedy = /\nIt needs Python .*apt-get install python3-venv.* Or leave it out with --only\.$/;

test('without Python it says what to install, and how to do without', async () => {
  await assert.rejects(installFastApi(join(folder, 'nothing')), (error: Error) => {
    assert.match(error.message, /^fastapi-uvicorn could not be installed: python3 -m venv venv failed\./);
    assert.match(error.message, remedy);
    return true;
  });
});

test('what Python says on standard output is told, and a half installed peer is none', async () => {
  const programs = join(folder, 'programs');
  mkdirSync(programs);
  const python = join(programs, 'python3');
  writeFileSync(python, '#!/bin/sh\necho "ensurepip is not available"\nexit 1\n');
  chmodSync(python, 0o755);
  await assert.rejects(installFastApi(programs), /ensurepip is not available\nIt needs Python/);
  assert.equal(existsSync(join(folder, 'target/fastapi/installed')), false);
});
