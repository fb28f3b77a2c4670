import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import postgres from 'postgres';
import { makeFolder, runCommand } from '../faults/process.ts';
import { createTestDatabase } from '../support/database.ts';
import { startValkey, valkeyIsMissing } from '../support/valkey.ts';
import { databaseUrlOf, startNode } from './nodes.ts';
import { measureRefusals, shareOf } from './refusals.ts';

// The goal is 100 ms for the 99th of 100: tools/bench/revocation.ts takes it on a machine that does nothing else.
const longestMs = 5_000;

test('what one node ends, another refuses: sessions, roles, API keys and signing keys', {
  skip: valkeyIsMissing,
}, async () => {
  const folder = makeFolder();
  const database = await createTestDatabase();
  const valkey = await startValkey();
  const environment = {
    ARGON2_MEMORY_KIB: '64',
    ARGON2_PASSES: '1',
    LOG_LEVEL: 'warn',
    DATABASE_URL: databaseUrlOf(database),
    VALKEY_URL: valkey.url,
  };
  const nodes = await Promise.all(
    ['1', '2'].map(async (name) => {
      mkdirSync(join(folder, name));
      const node = await startNode(join(folder, name), environment);
      after(() => node.stop());
      return { socketPath: node.socket };
    }),
  );
  const superuser = { email: 'chief@example.org', password: 'Correct-Horse-7' };
  const made = await runCommand(
    ['create-superuser', '--email', superuser.email],
    { ...environment, DATA_DIR: folder },
    superuser.password,
  );
  assert.equal(made.status, 0, made.stderr);
  const [first, second] = nodes;
  assert.ok(first !== undefined && second !== undefined);
  const delays = await measureRefusals({
    first,
    second,
    superuser,
    environment: { ...process.env, ...environment, DATA_DIR: join(folder, '1', 'data') },
    trials: 10,
    run: 'test',
  });
  assert.deepEqual(
    [...delays.keys()],
    [
      'session ended',
      'role taken away',
      'API key rotated',
      'signing key withdrawn',
      'token of the new key accepted',
    ],
  );
  for (const [name, sample] of delays) {
    assert.equal(sample.length, 10);
    assert.ok(shareOf(sample, 0.5) < longestMs, `${name}: ${sample.map(Math.round).join(' ')} ms`);
  }
  const sql = postgres({ ...database, max: 1 });
  after(() => sql.end({ timeout: 1 }));
  // Whose role was taken away goes on, and whose access token was of a withdrawn key refreshes and goes on.
  const left = await sql<{ kind: string; live: number }[]>`
    select split_part(u.email, '-', 1) as kind, count(*) filter (where s.ended_at is null)::int as live
    from sessions s join users u on u.id = s.user_id
    where u.email ~ '^(ended|role|key)-' group by kind order by kind`;
  assert.deepEqual(
    left.map(({ kind, live }) => [kind, live]),
    [
      ['ended', 0],
      ['key', 10],
      ['role', 10],
    ],
  );
});
