import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { exitStatus } from '../startup-error.ts';

const mainFile = fileURLToPath(new URL('../main.ts', import.meta.url));

test('an --email that is none is wrong usage, said of --email and not of a variable', async () => {
  const command = ['create-superuser', '--email', 'ada', '--password', 'Long-Enough-1'];
  const error: unknown = await promisify(execFile)(process.execPath, [mainFile, ...command]).catch(
    (reason) => reason,
  );
  assert.ok(error instanceof Error && 'code' in error && 'stderr' in error);
  assert.equal(error.code, exitStatus.wrongUsage);
  assert.match(String(error.stderr), /--email must be an e-mail/);
  assert.doesNotMatch(String(error.stderr), /ADMIN_EMAIL/);
});
