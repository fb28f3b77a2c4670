/** What becomes of the service while the disk of its database is full, and when there is room again. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import postgres from 'postgres';
import { startReceiver } from '../support/deliveries.ts';
import { callWithKey, newOrganization } from '../support/organizations.ts';
import { startPostgres15, withoutPostgres15 } from '../support/postgres15.ts';
import { call, goodPassword, member, newEmail, textMember } from '../support/service.ts';
import { openSmallDisk, withoutSmallDisk } from '../support/small-disk.ts';
import { checkDelivered } from './delivered.ts';
import { startFaultLoad } from './fault-load.ts';
import { makeFolder, startServer, toUrl } from './process.ts';

const paths = ['/api/v1/access/me', '/api/v1/exercises', '/api/v1/exercises?pageSize=7'];
/** A wait for a connection and one for an answer, and a machine that does much else. */
const longestAnswerMs = 5_000 + 5_000 + 10_000;

test('a full disk, then no room for the log of PostgreSQL itself, then room', {
  skip: withoutPostgres15 || withoutSmallDisk(),
}, async (t) => {
  const disk = openSmallDisk(160);
  const database = await startPostgres15({
    dataDir: disk.folder,
    settings: { min_wal_size: '32MB', max_wal_size: '64MB', autovacuum: 'off' },
  });
  t.after(async () => {
    await database.close();
    disk.close();
  });
  const receiver = await startReceiver();
  const server = await startServer({
    DATABASE_URL: toUrl(database.address),
    DATA_DIR: makeFolder(),
    RATE_LIMIT: 'off',
    WEBHOOK_ALLOW_PRIVATE: 'on',
    LOG_LEVEL: 'warn',
    LOG_FORMAT: 'json',
  });
  const organization = await newOrganization(server, 'enterprise');
  const webhook = { json: { webhook_url: receiver.url } };
  assert.equal((await callWithKey(server, organization, '/api/webhook/config', webhook)).status, 200);
  const json = { email: newEmail(), password: goodPassword };
  assert.equal((await call(server, '/api/v1/auth/register', { json })).status, 201);
  const bearer = textMember((await call(server, '/api/v1/auth/login', { json })).body, 'access_token');
  const read = async (path: string) => (await call(server, path, { bearer })).status;
  for (const path of paths) assert.equal(await read(path), 200, path);

  const load = startFaultLoad(server, organization);
  t.after(() => load.stop());
  await load.more(100);
  let saidUntil = server.output().length;
  /** What the log says that it has not said before. */
  const news = () => {
    const text = server.output().slice(saidUntil).trim();
    saidUntil = server.output().length;
    return text.split('\n').filter(Boolean);
  };
  const say = (what: string, lines: readonly string[]) =>
    t.diagnostic(`${what}: ${load.book.refused} answers of 503, ${lines.length} lines in the log`);

  const fullSince = performance.now();
  while (load.book.refused < 20) {
    assert.ok(performance.now() - fullSince < 60_000, 'the full disk was not felt');
    // Again and again: PostgreSQL may have freed something.
    disk.fill();
    await wait(50);
  }
  // Long enough that one line for each refusal would be seen.
  for (let turn = 0; turn < 10; turn += 1) {
    for (const path of paths) assert.equal(await read(path), 200, path);
    await wait(200);
  }
  const refusal = load.book.firstRefusal;
  assert.ok(refusal !== undefined);
  assert.equal(refusal.headers.get('content-type'), 'application/problem+json; charset=utf-8');
  assert.equal(member(refusal.body, 'code'), 'database-unavailable');
  const ofFull = news();
  say('full', ofFull);
  assert.ok(ofFull.length <= 6, ofFull.join('\n'));
  assert.match(ofFull.join('\n'), /No space left on device/);

  // Each turn of its log needs a new file now, until PostgreSQL ends itself for want of one.
  const sql = () => postgres({ ...database.address, max: 1, fetch_types: false, onnotice: () => undefined });
  const pusher = sql();
  await assert.rejects(async () => {
    for (let turn = 0; turn < 50; turn += 1) await pusher`select pg_switch_wal(), txid_current()`;
  });
  await pusher.end({ timeout: 0 });
  await wait(2_000);
  for (const path of paths) assert.ok([200, 503].includes(await read(path)), path);
  const ofEnd = news();
  say('and ended', ofEnd);
  assert.ok(ofEnd.length <= 10, ofEnd.join('\n'));

  disk.free();
  const backSince = performance.now();
  let isBack = false;
  const back = load.more(1).finally(() => {
    isBack = true;
  });
  while (!isBack) {
    // As whoever watches over it would.
    if (!existsSync(join(disk.folder, 'postmaster.pid'))) await database.start();
    await wait(50);
  }
  await back;
  const tookMs = performance.now() - backSince;
  await load.more(100);
  await load.stop();
  t.diagnostic(`writes again ${tookMs.toFixed()} ms after there was room`);
  assert.ok(tookMs < 15_000, `${tookMs} ms`);
  assert.ok(load.book.slowestMs < longestAnswerMs, `${load.book.slowestMs} ms`);
  await load.checkExpected();
  const stored = sql();
  t.after(() => stored.end({ timeout: 1 }));
  await load.checkKept(stored);
  t.diagnostic(await checkDelivered(stored, receiver, load.book.events));
  server.signal('SIGTERM');
  assert.equal((await server.finished).status, 0, server.output());
});
