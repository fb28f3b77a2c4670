import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { makeFolder } from '../faults/process.ts';
import { type Postgres15, startPostgres15, withoutPostgres15 } from '../support/postgres15.ts';
import { findProgram, freePort, missingPrograms, type RunningProgram, startProgram } from './programs.ts';

const skip = withoutPostgres15 === false ? missingPrograms({ pgbouncer: 'pgbouncer' }) : withoutPostgres15;
const deploy = new URL('../../../deploy/', import.meta.url);
const password = 'a-long-password';

/** The statement in docs/deployment.md whose answer is the file of users of PgBouncer. */
function userListStatement(): string {
  const page = readFileSync(new URL('../docs/deployment.md', deploy), 'utf8');
  const statement = /^select format\(.*$/m.exec(page)?.[0];
  assert.ok(statement !== undefined, 'docs/deployment.md says how to make userlist.txt');
  return statement;
}

suite('PostgreSQL and PgBouncer with the files that are shipped', { skip }, () => {
  const folder = makeFolder();
  let postgresql: Postgres15;
  let superuser: postgres.Sql;
  let pgbouncer: RunningProgram;
  let poolerPort = 0;

  before(async () => {
    // Where the user of PostgreSQL may read it.
    const file = join(folder, 'irontrack.conf');
    copyFileSync(fileURLToPath(new URL('postgresql/irontrack.conf', deploy)), file);
    chmodSync(file, 0o644);
    const port = await freePort();
    postgresql = await startPostgres15({
      // As compose does: it is the whole configuration. Less memory than its machine of 16 GB has.
      settings: {
        config_file: file,
        listen_addresses: '127.0.0.1',
        port: String(port),
        shared_buffers: '64MB',
        max_connections: '100',
      },
    });
    superuser = postgres({ ...postgresql.address, port, max: 1, fetch_types: false });
    await superuser.unsafe(`alter role irontrack password '${password}'`);
    await superuser`create database irontrack`;
    // By loopback as Debian has it.
    writeFileSync(
      join(postgresql.folder, 'data/pg_hba.conf'),
      'local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n',
    );
    await superuser`select pg_reload_conf()`;

    const [[users = ''] = []] = await superuser.unsafe(userListStatement()).values();
    writeFileSync(join(folder, 'userlist.txt'), `${users}\n`, { mode: 0o644 });
    poolerPort = await freePort();
    const replace: Record<string, string> = {
      'host=127.0.0.1 port=5432': `host=127.0.0.1 port=${port}`,
      'listen_port = 6432': `listen_port = ${poolerPort}`,
      'unix_socket_dir = /run/postgresql': `unix_socket_dir = ${postgresql.folder}`,
      '/etc/pgbouncer/userlist.txt': join(folder, 'userlist.txt'),
    };
    let ini = readFileSync(new URL('pgbouncer/pgbouncer.ini', deploy), 'utf8');
    for (const [from, to] of Object.entries(replace)) {
      assert.ok(ini.includes(from), from);
      ini = ini.replaceAll(from, to);
    }
    const iniFile = join(folder, 'pgbouncer.ini');
    writeFileSync(iniFile, ini, { mode: 0o644 });
    // It refuses to be root.
    const args = process.getuid?.() === 0 ? ['-u', 'postgres', iniFile] : [iniFile];
    pgbouncer = await startProgram(findProgram('pgbouncer') ?? '', args, {}, (output) =>
      output.includes('process up'),
    );
  });
  after(async () => {
    await superuser?.end({ timeout: 1 });
    await pgbouncer?.stop('SIGINT');
    await postgresql?.close();
  });

  /** What `select 1` says through the pooler; the way there is its socket's folder or an address. */
  async function ask(host: string, secret: string | undefined): Promise<unknown> {
    const sql = postgres({
      host,
      port: poolerPort,
      user: 'irontrack',
      database: 'irontrack',
      ...(secret === undefined ? {} : { password: secret }),
      max: 1,
      fetch_types: false,
      prepare: false,
      connect_timeout: 10,
    });
    try {
      const [row] = await sql`select 1 as one`;
      return row?.one;
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  test('who has the password of the role gets through PgBouncer to PostgreSQL, and nobody else', async () => {
    assert.equal(await ask(postgresql.folder, password), 1);
    assert.equal(await ask('127.0.0.1', password), 1);
    for (const secret of ['another-password', '', undefined]) {
      await assert.rejects(ask(postgresql.folder, secret), `with ${secret}`);
    }
  });

  test('the log of PostgreSQL does not hold the e-mail of who signs up twice', async () => {
    await superuser`create table people (email text unique)`;
    const email = 'somebody.private@example.org';
    await superuser`insert into people values (${email})`;
    await assert.rejects(superuser`insert into people values (${email})`);
    const log = readFileSync(join(postgresql.folder, 'log'), 'utf8');
    assert.match(log, /duplicate key value violates unique constraint/);
    assert.ok(!log.includes(email), log);
  });

  test('the settings are those of the file', async () => {
    const lines = readFileSync(new URL('postgresql/irontrack.conf', deploy), 'utf8').matchAll(/^(\w+) = /gm);
    const names = [...lines].map(([, name = '']) => name);
    const rows = await superuser`
      select name, source from pg_settings
      where name = any(${`{${names.join(',')}}`}::text[]) and source not in ('configuration file', 'command line')`;
    assert.deepEqual([...rows], [], 'not taken from the file');
  });
});
