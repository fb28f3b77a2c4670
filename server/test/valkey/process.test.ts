import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { everythingWritten, makeFolder, startServer, toUrl } from '../faults/process.ts';
import { createTestDatabase } from '../support/database.ts';
import { call, goodPassword, member, newEmail } from '../support/service.ts';
import { startValkey, valkeyIsMissing } from '../support/valkey.ts';
import { makeCertificate } from '../topology/nginx.ts';
import { freePort, missingPrograms } from '../topology/programs.ts';
import { eventually } from './link.ts';

const isMissing = valkeyIsMissing === false ? missingPrograms({ openssl: 'openssl' }) : valkeyIsMissing;
const secret = 'Valkey-Secret-4711';

/** How often a line of the log begins its sentence so. */
const told = (output: string, sentence: string) => output.split(`"msg":"${sentence}`).length - 1;

describe('the command with Valkey over TLS', { skip: isMissing }, async () => {
  if (isMissing !== false) return;
  const certificate = makeCertificate(makeFolder());
  const tlsPort = await freePort();
  const valkey = await startValkey({
    requirepass: secret,
    'tls-port': String(tlsPort),
    'tls-cert-file': certificate.chain,
    'tls-key-file': certificate.key,
    'tls-ca-cert-file': certificate.chain,
    'tls-auth-clients': 'no',
  });
  const environment = {
    DATABASE_URL: toUrl(await createTestDatabase()),
    DATABASE_POOL_SIZE: '3',
    DATA_DIR: makeFolder(),
    LOG_FORMAT: 'json',
    ADMIN_PASSWORD: 'Administrator-1',
    VALKEY_URL: `rediss://:${secret}@localhost:${tlsPort}/1`,
    NODE_EXTRA_CA_CERTS: certificate.chain,
  };
  const cacheStatus = async (server: { url: string }) =>
    member((await call(server, '/health')).body, 'cache_status');
  const json = { email: newEmail(), password: goodPassword };

  test('it starts while Valkey is away, says so once, and finds it by itself', async () => {
    await valkey.kill();
    const server = await startServer(environment);
    assert.equal((await call(server, '/api/v1/auth/register', { json })).status, 201);
    assert.equal((await call(server, '/api/v1/auth/login', { json })).status, 200);
    assert.equal((await call(server, '/ready')).status, 200);
    assert.equal(await cacheStatus(server), 'offline');
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    assert.deepEqual(
      [told(server.output(), 'Valkey is away'), told(server.output(), 'Valkey is back')],
      [1, 0],
    );
    for (const round of [1, 2]) {
      await valkey.start();
      await eventually(async () => (await cacheStatus(server)) === 'online', 'it is found', 10_000);
      assert.equal((await call(server, '/api/v1/auth/login', { json })).status, 200);
      assert.notEqual(await valkey.cli('-n', '1', 'dbsize'), '0');
      await valkey.kill();
      await eventually(async () => (await cacheStatus(server)) === 'offline', 'it is lost', 10_000);
      assert.equal((await call(server, '/api/v1/auth/login', { json })).status, 200);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const output = server.output();
      assert.deepEqual([told(output, 'Valkey is away'), told(output, 'Valkey is back')], [round + 1, round]);
    }
    server.signal('SIGTERM');
    assert.equal((await server.finished).status, 0);
  });

  test('a wrong password and a certificate of nobody we know keep it away, with the reason', async () => {
    await valkey.start();
    const wrong = { ...environment, VALKEY_URL: environment.VALKEY_URL.replace(secret, `${secret}-wrong`) };
    const { NODE_EXTRA_CA_CERTS: _, ...untrusting } = environment;
    for (const [settings, reason] of [
      [wrong, /WRONGPASS/],
      [untrusting, /self-signed certificate/],
    ] as const) {
      const server = await startServer(settings);
      assert.equal(await cacheStatus(server), 'offline');
      const line = server
        .output()
        .split('\n')
        .find((text) => text.includes('Valkey is away'));
      assert.match(line ?? '', reason);
      assert.equal((await call(server, '/api/v1/auth/login', { json })).status, 200);
      server.signal('SIGTERM');
      assert.equal((await server.finished).status, 0);
    }
  });

  test('the password of Valkey is nowhere in what was written', () => {
    assert.ok(everythingWritten().length > 1_000);
    assert.ok(!everythingWritten().includes(secret));
  });
});
