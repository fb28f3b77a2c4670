import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { StartupError } from '../startup-error.ts';
import {
  type DataFolder,
  isRoot,
  makeDataFolder,
  query,
  spawnHolder,
  start,
  tryMountTmpfs,
} from './embedded/test-folder.ts';

const onLinux = { skip: process.platform !== 'linux' && 'needs /proc' };

test('makes a database at the first start and finds its rows again at the second', async (t) => {
  const folder = makeDataFolder(t);
  const first = await start(folder, { durable: true });
  await query(first, 'create table note (words text)');
  await query(first, "insert into note values ('kept')");
  await first.stop();

  const began = performance.now();
  const second = await start(folder, { durable: true });
  const tookMs = performance.now() - began;
  assert.deepEqual(await query(second, 'select words from note'), [{ words: 'kept' }]);
  // 25 ms on an idle machine; the bound only catches a wait that has no business here.
  assert.ok(tookMs < 1000, `a later start took ${tookMs} ms`);
  await second.stop();
});

test('is durable, checksummed, UTF-8 and private', async (t) => {
  const folder = makeDataFolder(t);
  const database = await start(folder, { durable: true });
  const names = ['fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums', 'server_encoding'];
  const settings = await query(
    database,
    `select name, setting from pg_settings where name in ('${names.join("', '")}') order by name`,
  );
  assert.deepEqual(
    settings.map(({ name, setting }) => `${name} ${setting}`),
    ['data_checksums on', 'fsync on', 'full_page_writes on', 'server_encoding UTF8', 'synchronous_commit on'],
  );
  assert.deepEqual(await query(database, "select current_setting('listen_addresses') as tcp"), [{ tcp: '' }]);
  assert.deepEqual(await query(database, "select lower('\u00c4\u03a3') as lower"), [
    { lower: '\u00e4\u03c3' },
  ]);
  assert.equal(statSync(database.connection.host).mode & 0o777, 0o700);
  await database.stop();
});

test('refuses a data folder that another process uses and names that process', async (t) => {
  const folder = makeDataFolder(t);
  const holder = await spawnHolder(t, folder);
  await assert.rejects(start(folder), (error) => {
    assert.ok(error instanceof StartupError);
    assert.equal(error.status, 69);
    assert.match(error.message, new RegExp(`in use by another IronTrack \\(process ${holder.pid}\\)`));
    return true;
  });
  // And the one that was there first is none the worse for it.
  const joined = await start(folder, { whenInUse: 'join' });
  assert.deepEqual(await query(joined, 'select 1 as one'), [{ one: 1 }]);
  await joined.stop();
  assert.deepEqual(await query(joined, 'select 2 as two'), [{ two: 2 }]);
});

test("the lock is nobody else's to open, so that nobody else can keep the server from starting", async (t) => {
  const folder = makeDataFolder(t);
  const lockFile = join(folder.path, 'irontrack.lock');
  const umask = process.umask(0o000);
  try {
    await (await start(folder)).stop();
    assert.equal(statSync(lockFile).mode & 0o777, 0o600);
    chmodSync(lockFile, 0o644);
    await (await start(folder)).stop();
    assert.equal(statSync(lockFile).mode & 0o777, 0o600, 'of an older version');
  } finally {
    process.umask(umask);
  }
});

test('takes over from a dead process whose id belongs to somebody else by now', async (t) => {
  const folder = makeDataFolder(t);
  await (await start(folder)).stop();
  // What a crash leaves; the recycled id is this very process.
  writeFileSync(join(folder.path, 'irontrack.pid'), `{"pid":${process.pid}}\n`);
  writeFileSync(
    join(folder.path, 'postgresql', 'postmaster.pid'),
    `${process.pid}\n\n0\n5432\n\n\n\nready\n`,
  );
  const database = await start(folder);
  assert.deepEqual(await query(database, 'select 1 as one'), [{ one: 1 }]);
  await database.stop();
});

test('stops the PostgreSQL that a killed process left running, and loses nothing it committed', async (t) => {
  const folder = makeDataFolder(t);
  const holder = await spawnHolder(t, folder, { durable: true });
  await query(holder, 'create table note (words text)');
  await query(holder, "insert into note values ('committed')");
  process.kill(holder.pid, 'SIGKILL');
  await holder.ended;
  const orphan = readPostmasterPid(folder);
  assert.ok(existsSync(`/proc/${orphan}`) || process.platform !== 'linux');

  const said: string[] = [];
  const database = await start(folder, { durable: true, say: (line) => said.push(line) });
  assert.notEqual(readPostmasterPid(folder), orphan);
  assert.deepEqual(await query(database, 'select words from note'), [{ words: 'committed' }]);
  assert.equal(said.length, 1);
  assert.match(said.join(), /killed left running/);
  await database.stop();
});

test('stops a PostgreSQL that was left running and stands still', onLinux, async (t) => {
  const folder = makeDataFolder(t);
  const holder = await spawnHolder(t, folder, { durable: true });
  await query(holder, 'create table note (words text)');
  await query(holder, "insert into note values ('committed')");
  for (const pid of readProcesses(folder)) process.kill(pid, 'SIGSTOP');
  process.kill(holder.pid, 'SIGKILL');
  await holder.ended;
  const began = performance.now();
  const database = await start(folder, { durable: true });
  const tookMs = performance.now() - began;
  assert.ok(tookMs < 25_000, `${tookMs} ms: it was ended by force, if at all`);
  assert.deepEqual(await query(database, 'select words from note'), [{ words: 'committed' }]);
  await database.stop();
});

test('an interrupted first start leaves nothing half-made', async (t) => {
  const folder = makeDataFolder(t);
  const holder = await spawnHolder(t, folder, { waitUntilReady: false });
  while (!readdirSync(folder.path).some((name) => name.startsWith('postgresql.new-'))) await delay(2);
  await delay(100);
  process.kill(holder.pid, 'SIGKILL');
  await holder.ended;
  assert.equal(existsSync(join(folder.path, 'postgresql')), false);

  const database = await start(folder);
  assert.deepEqual(await query(database, 'select 1 as one'), [{ one: 1 }]);
  assert.deepEqual(
    readdirSync(folder.path).filter((name) => name.startsWith('postgresql.new-')),
    [],
  );
  await database.stop();
});

test('starts PostgreSQL again when it is killed, and says so', async (t) => {
  const folder = makeDataFolder(t);
  const said: string[] = [];
  const database = await start(folder, { durable: true, say: (line) => said.push(line) });
  await query(database, 'create table note (words text)');
  await query(database, "insert into note values ('committed')");
  for (const round of [1, 2]) {
    process.kill(readPostmasterPid(folder), 'SIGKILL');
    while (said.length < 2 * round) await delay(5);
    assert.match(said[2 * round - 2] ?? '', /ended unexpectedly \(signal SIGKILL\)/);
    assert.match(said[2 * round - 1] ?? '', /is back/);
    assert.deepEqual(await query(database, 'select words from note'), [{ words: 'committed' }]);
  }
  await database.stop();
});

test('stop() ends PostgreSQL and gives the folder back, however often PostgreSQL had to be restarted', async (t) => {
  const folder = makeDataFolder(t);
  const database = await start(folder);
  const killed = readPostmasterPid(folder);
  process.kill(killed, 'SIGKILL');
  await database.stop();
  assert.equal(existsSync(join(folder.path, 'irontrack.pid')), false);
  await (await start(folder)).stop();
  assert.equal(existsSync(join(folder.path, 'postgresql', 'postmaster.pid')), false);
});

test('stop() between two attempts to start PostgreSQL again leaves none behind', onLinux, async (t) => {
  const folder = makeDataFolder(t);
  const said: string[] = [];
  const database = await start(folder, { say: (line) => said.push(line) });
  const [postmaster = 0, child = 0] = readProcesses(folder);
  // It keeps the shared memory, so that none can start before it is gone.
  process.kill(child, 'SIGSTOP');
  process.kill(postmaster, 'SIGKILL');
  while (said.length === 0) await delay(5);
  await delay(300);
  const stopped = database.stop();
  process.kill(child, 'SIGCONT');
  const outcome = await Promise.race([stopped, delay(20_000, 'waited for in vain', { ref: false })]);
  assert.equal(outcome, undefined);
  await (await start(folder)).stop();
});

test('refuses a cluster of another PostgreSQL version and leaves it alone', async (t) => {
  const folder = makeDataFolder(t);
  mkdirSync(join(folder.path, 'postgresql'));
  writeFileSync(join(folder.path, 'postgresql', 'PG_VERSION'), '15\n');
  await assert.rejects(
    start(folder),
    startupError(69, /made by PostgreSQL 15, and this IronTrack brings 18/),
  );
  assert.deepEqual(readdirSync(join(folder.path, 'postgresql')), ['PG_VERSION']);
});

test('refuses a folder of files that are no database and leaves them alone', async (t) => {
  const folder = makeDataFolder(t);
  mkdirSync(join(folder.path, 'postgresql'));
  writeFileSync(join(folder.path, 'postgresql', 'holiday.jpg'), '');
  await assert.rejects(start(folder), startupError(69, /holds files but no PostgreSQL database/));
  assert.deepEqual(readdirSync(join(folder.path, 'postgresql')), ['holiday.jpg']);
});

test('refuses a data folder that is a file', async (t) => {
  const folder = makeDataFolder(t);
  const path = join(folder.path, 'file');
  writeFileSync(path, '');
  await assert.rejects(start({ path }), startupError(78, /is not a folder/));
});

test('refuses a data folder that this user may not write', async (t) => {
  const folder = makeDataFolder(t);
  chmodSync(folder.path, 0o555);
  const holder = await spawnHolder(t, folder, { waitUntilReady: false, asNobody: isRoot });
  assert.match(await holder.output, /^78 .*may not be written by this user/);
});

test('refuses a database that belongs to somebody else', { skip: !isRoot && 'needs root' }, async (t) => {
  const folder = makeDataFolder(t);
  mkdirSync(join(folder.path, 'postgresql'), { mode: 0o700 });
  chmodSync(folder.path, 0o777);
  const holder = await spawnHolder(t, folder, { waitUntilReady: false, asNobody: true });
  assert.match(await holder.output, /^78 .*belongs to root/);
});

test('says that the disk is full', async (t) => {
  const folder = makeDataFolder(t);
  if (!tryMountTmpfs(folder.path, '20m')) return t.skip('needs root and the right to mount a tmpfs');
  await assert.rejects(start(folder), startupError(69, /is full\. Free some space/));
  assert.deepEqual(
    readdirSync(folder.path).filter((name) => name.startsWith('postgresql')),
    [],
  );
});

test('a log of PostgreSQL that cannot be cut short stops nobody, and is said once', async (t) => {
  const folder = makeDataFolder(t);
  t.mock.timers.enable({ apis: ['setInterval'] });
  const said: string[] = [];
  const database = await start(folder, { say: (sentence) => said.push(sentence) });
  try {
    const logFile = join(folder.path, 'postgresql.log');
    const tenMinutesMs = 600_000;
    const grow = () => truncateSync(logFile, 9 * 1024 * 1024);

    grow();
    t.mock.timers.tick(tenMinutesMs);
    assert.equal(statSync(logFile).size, 0);
    assert.equal(statSync(`${logFile}.1`).size, 9 * 1024 * 1024);
    assert.deepEqual(said, []);

    // No copy can be made there, as on a disk that is full.
    rmSync(`${logFile}.1`);
    mkdirSync(`${logFile}.1`);
    grow();
    t.mock.timers.tick(tenMinutesMs);
    assert.equal(statSync(logFile).size, 0, 'emptied all the same');
    assert.match(said.join('\n'), /^The old log of PostgreSQL is not kept \([^\n]+\)\.$/);

    said.length = 0;
    rmSync(logFile);
    symlinkSync(logFile, logFile);
    for (let turn = 0; turn < 3; turn += 1) t.mock.timers.tick(tenMinutesMs);
    rmSync(logFile);
    assert.match(said.join('\n'), /^The log of PostgreSQL cannot be cut short: ELOOP[^\n]+$/);
    assert.deepEqual(await query(database, 'select 1 as one'), [{ one: 1 }]);
  } finally {
    await database.stop();
  }
});

test('says that the disk is full when it filled up since', async (t) => {
  const folder = makeDataFolder(t);
  if (!tryMountTmpfs(folder.path, '80m')) return t.skip('needs root and the right to mount a tmpfs');
  await (await start(folder)).stop();
  execFileSync('sh', ['-c', 'cat /dev/zero > "$1" || true', 'fill', join(folder.path, 'filler')], {
    stdio: 'ignore',
  });
  await assert.rejects(start(folder), startupError(69, /is full\. Free some space/));
  rmSync(join(folder.path, 'filler'));
  await (await start(folder)).stop();
});

test('quotes the line of the log that explains why PostgreSQL did not start', async (t) => {
  const folder = makeDataFolder(t);
  await (await start(folder)).stop();
  writeFileSync(join(folder.path, 'postgresql', 'postgresql.conf'), 'no_such_setting = on\n');
  await assert.rejects(start(folder), startupError(69, /did not start .*postgresql\.conf.* contains errors/));
});

test('listens elsewhere when the path of the socket would be too long', async (t) => {
  const folder = makeDataFolder(t, 'a folder, "quoted" '.padEnd(120, 'x'));
  const database = await start(folder);
  assert.notEqual(database.connection.host, join(folder.path, 'postgresql'));
  assert.deepEqual(await query(database, 'select 1 as one'), [{ one: 1 }]);
  await database.stop();
  assert.equal(existsSync(database.connection.host), false);
});

test('a folder name with spaces, commas and quotes is no trouble', async (t) => {
  const folder = makeDataFolder(t, 'a "b", c\u00e9');
  const database = await start(folder);
  assert.equal(database.connection.host, join(folder.path, 'postgresql'));
  assert.deepEqual(await query(database, 'select 1 as one'), [{ one: 1 }]);
  await database.stop();
});

test('under root, works below a folder that only root may pass', {
  skip: !isRoot && 'needs root',
}, async (t) => {
  const folder = makeDataFolder(t, 'closed/data');
  chmodSync(join(folder.path, '..'), 0o700);
  const database = await start(folder);
  assert.deepEqual(await query(database, 'select 1 as one'), [{ one: 1 }]);
  assert.notEqual(statSync(join(folder.path, 'postgresql')).uid, 0);
  const status = readFileSync(`/proc/${readPostmasterPid(folder)}/status`, 'utf8');
  assert.match(status, /^CapEff:\s+0{15}4$/m, 'may read past folder permissions, and nothing else');
  await database.stop();
});

test('under root, takes back a cluster that a restored backup left to root', {
  skip: !isRoot && 'needs root',
}, async (t) => {
  const folder = makeDataFolder(t);
  await (await start(folder)).stop();
  execFileSync('chown', ['-R', '0:0', join(folder.path, 'postgresql')]);
  const database = await start(folder);
  assert.notEqual(statSync(join(folder.path, 'postgresql', 'PG_VERSION')).uid, 0);
  await database.stop();
});

test('does not hear the interrupt of the terminal', async (t) => {
  const folder = makeDataFolder(t);
  const holder = await spawnHolder(t, folder, { ownGroup: true });
  process.kill(-holder.pid, 'SIGINT');
  await once(holder.child, 'exit');
  // The server went down on its own; its database would have ended with it had it heard.
  process.kill(readPostmasterPid(folder), 0);
  await (await start(folder)).stop();
});

/** The postmaster first. */
function readProcesses(folder: DataFolder): number[] {
  const postmaster = readPostmasterPid(folder);
  const children = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8');
  return [postmaster, ...children.trim().split(' ').map(Number)];
}

function readPostmasterPid(folder: DataFolder): number {
  return Number(readFileSync(join(folder.path, 'postgresql', 'postmaster.pid'), 'utf8').split('\n')[0]);
}

function startupError(status: number, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof StartupError, String(error));
    assert.equal(error.status, status);
    assert.match(error.message, message);
    return true;
  };
}
