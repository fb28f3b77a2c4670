import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { lockFolder } from './folder-lock.ts';

const folder = mkdtempSync(join(tmpdir(), 'irontrack-lab-lock-'));
const path = join(folder, 'running.pid');
after(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => rmSync(path, { force: true }));

test('a folder that is measured into is refused until it is given back', () => {
  const unlock = lockFolder(folder);
  assert.throws(() => lockFolder(folder), new RegExp(`Process ${process.pid} is measuring into`));
  unlock();
  assert.equal(existsSync(path), false);
  lockFolder(folder)();
});

test('what a killed process left is taken over', () => {
  const { pid } = spawnSync(process.execPath, ['--version']);
  for (const left of [`${pid}\n`, '', 'nonsense']) {
    writeFileSync(path, left);
    lockFolder(folder)();
    assert.equal(existsSync(path), false);
  }
});
