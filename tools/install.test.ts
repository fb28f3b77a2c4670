import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

const install = new URL('install.mjs', import.meta.url).href;

test('installs what is missing, once, and again when the lock file has changed', async (t) => {
  const root = makeProject(t, ['first']);
  assert.match(await ensureInstalled(root), /^Installing dependencies/);
  assert.ok(existsSync(join(root, 'node_modules', 'first', 'package.json')));
  assert.equal(await ensureInstalled(root), '');

  writeProject(root, ['first', 'second']);
  assert.match(await ensureInstalled(root), /^Installing dependencies/);
  assert.ok(existsSync(join(root, 'node_modules', 'second', 'package.json')));
  assert.equal(await ensureInstalled(root), '');
});

test('leaves a folder alone that npm itself has brought in line', async (t) => {
  const root = makeProject(t, ['first']);
  await ensureInstalled(root);
  rmSync(join(root, 'node_modules', '.irontrack-installed'));
  assert.equal(await ensureInstalled(root), '');
});

test('installs a package again that somebody removed', async (t) => {
  const root = makeProject(t, ['first']);
  await ensureInstalled(root);
  rmSync(join(root, 'node_modules'), { recursive: true });
  assert.match(await ensureInstalled(root), /^Installing dependencies/);
  assert.ok(existsSync(join(root, 'node_modules', 'first', 'package.json')));
});

test('needs no home folder', async (t) => {
  for (const home of [undefined, '', '/no/such/folder']) {
    const root = makeProject(t, ['first']);
    assert.match(await ensureInstalled(root, home), /^Installing dependencies/);
    assert.ok(existsSync(join(root, 'node_modules', 'first', 'package.json')));
  }
});

test('passes on what npm says when it cannot install, with status 69', async (t) => {
  const root = makeProject(t, ['first']);
  writeFileSync(join(root, 'package.json'), 'not JSON');
  await assert.rejects(ensureInstalled(root), (error) => {
    assert.ok(error instanceof Error && 'code' in error && 'stderr' in error);
    assert.equal(error.code, 69);
    assert.match(String(error.stderr), /npm error.*could not be installed/s);
    return true;
  });
});

/** Runs the real thing in a process of its own and returns what it said. */
function ensureInstalled(root: string, home: string | undefined = root): Promise<string> {
  const script = `const { ensureInstalled } = await import('${install}'); await ensureInstalled(process.argv[1]);`;
  const { HOME: _, ...env } = process.env;
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      ['--input-type=module', '--eval', script, root],
      { env: home === undefined ? env : { ...env, HOME: home } },
      (error, _stdout, stderr) =>
        error === null ? resolve(stderr) : reject(Object.assign(error, { stderr })),
    );
  });
}

function makeProject(t: TestContext, workspaces: string[]): string {
  const root = mkdtempSync(join(tmpdir(), 'irontrack-install-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  writeProject(root, workspaces);
  return root;
}

/** A project whose packages all lie in its own folder, so that npm needs no network. */
function writeProject(root: string, workspaces: string[]): void {
  const packages: Record<string, unknown> = { '': { name: 'project', workspaces } };
  for (const name of workspaces) {
    mkdirSync(join(root, name), { recursive: true });
    writeFileSync(join(root, name, 'package.json'), JSON.stringify({ name, version: '1.0.0' }));
    packages[name] = { version: '1.0.0' };
    packages[`node_modules/${name}`] = { resolved: name, link: true };
  }
  const lock = { name: 'project', lockfileVersion: 3, requires: true, packages };
  writeFileSync(join(root, 'package.json'), JSON.stringify({ name: 'project', private: true, workspaces }));
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify(lock));
}
