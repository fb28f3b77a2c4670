/**
 * What one call of each kind leaves in the database and costs in CPU: runs some thousands of them against the real
 * service with its embedded PostgreSQL, and prints bytes with indexes, bytes of the write-ahead log, commits, and CPU
 * besides the password hash. The inputs of tools/sizing.ts. About a minute.
 *
 * node tools/bench/row-sizes.ts [how many of each, 3000]
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import postgres from 'postgres';
import { descendants } from '../../server/test/topology/processes.ts';
import { type Serving, startServing } from './serving.ts';
import { readThreadCpuMs } from './thread-cpu.ts';

const say = (line: string) => process.stdout.write(`${line}\n`);
const each = Number(process.argv[2] ?? 3000);
const lanes = 16;
const payloadBytes = 300;
const password = 'Correct-Horse-7';
const json = { 'content-type': 'application/json' };

interface State {
  bytes: number;
  wal: number;
  commits: number;
  serviceMs: number;
  databaseMs: number;
}

async function readState(serving: Serving, sql: postgres.Sql): Promise<State> {
  // Into the log and into the statistics; a database at rest is what lies on a disk.
  await sql`checkpoint`;
  await sql`vacuum (analyze)`;
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const [row] = await sql<{ bytes: string; wal: string; commits: string }[]>`
    select sum(pg_total_relation_size(oid)) as bytes, pg_current_wal_lsn() - '0/0'::pg_lsn as wal,
      (select xact_commit from pg_stat_database where datname = current_database()) as commits
    from pg_class where relkind in ('r', 'm') and relnamespace = 'public'::regnamespace`;
  const cpu = (pids: number[]) =>
    pids.flatMap((pid) => [...readThreadCpuMs(pid).values()]).reduce((sum, ms) => sum + ms, 0);
  return {
    bytes: Number(row?.bytes),
    wal: Number(row?.wal),
    commits: Number(row?.commits),
    serviceMs: cpu([serving.pid]),
    databaseMs: cpu(descendants(serving.pid)),
  };
}

/** Sends `count` requests on a few lanes; each has to succeed. */
async function sendAll(count: number, send: (at: number) => Promise<Response>): Promise<void> {
  let next = 0;
  const lane = async () => {
    for (let at = next++; at < count; at = next++) {
      const answer = await send(at);
      if (answer.status >= 300) throw new Error(`${answer.url} answered ${answer.status}.`);
      await answer.arrayBuffer();
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function readJson(answer: Response): Promise<Record<string, unknown>> {
  const body: unknown = await answer.json();
  if (typeof body !== 'object' || body === null) throw new Error(`${answer.url} answered no object.`);
  return { ...body };
}

const serving = await startServing({
  environment: {
    // The hash is measured by figures.ts passwords; a cheap one leaves the rest to see.
    ARGON2_MEMORY_KIB: '64',
    ARGON2_PASSES: '1',
    WEBHOOK_ALLOW_PRIVATE: 'on',
    LOG_LEVEL: 'info',
  },
});
const receiver = createServer((request, response) => {
  request.resume().on('end', () => response.writeHead(204).end());
}).listen(0, '127.0.0.1');
await once(receiver, 'listening');
const pidFile = readFileSync(join(serving.dataDir, 'data/postgresql/postmaster.pid'), 'utf8').split('\n');
const sql = postgres({
  host: pidFile[4] ?? '',
  port: Number(pidFile[3]),
  username: 'irontrack',
  database: 'irontrack',
  max: 1,
});

/** Runs one kind of call and prints what it left behind, a call. */
async function measure(name: string, count: number, work: () => Promise<void>, unit = count): Promise<void> {
  const before = await readState(serving, sql);
  await work();
  const after = await readState(serving, sql);
  const per = (key: keyof State, digits = 0) => ((after[key] - before[key]) / unit).toFixed(digits);
  const us = (key: 'serviceMs' | 'databaseMs') => (((after[key] - before[key]) / unit) * 1000).toFixed(0);
  const cells = [name, unit, per('bytes'), per('wal'), per('commits', 2), us('serviceMs'), us('databaseMs')];
  say(`| ${cells.join(' | ')} |`);
}

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${serving.url}${path}`, {
    method: 'POST',
    headers: { ...json, ...headers },
    body: JSON.stringify(body),
  });

try {
  const person = (at: number) => ({ email: `somebody.${at}@example.org`, password });
  const signUp = (at: number) => post('/api/v1/auth/register', { ...person(at), name: `Somebody ${at}` });
  // Code that has not run yet is compiled first.
  await sendAll(500, (at) => signUp(-1 - at));
  say('| call | how many | bytes kept | bytes of log | commits | us service | us PostgreSQL |');
  say('| --- | --- | --- | --- | --- | --- | --- |');
  await measure('sign-up', each, () => sendAll(each, signUp));
  const tokens: string[] = [];
  await measure('sign-in', each, () =>
    sendAll(each, async (at) => {
      const answer = await post('/api/v1/auth/login', person(at));
      tokens[at] = String((await readJson(answer.clone())).refresh_token);
      return answer;
    }),
  );
  await measure('refresh', each, () =>
    sendAll(each, (at) => post('/api/v1/auth/refresh', { refresh_token: tokens[at] })),
  );

  const made = await post('/api/keys/generate', { organization_name: 'Sizes', tier: 'enterprise' });
  const key = { 'x-api-key': String((await readJson(made)).api_key) };
  const event = (at: number) => ({
    type: 'workout.finished',
    payload: { at, text: 'x'.repeat(payloadBytes - 22) },
  });
  const batches = Math.ceil(each / 10);
  const postBatch = (extra: (at: number) => object) => (batch: number) => {
    const events = Array.from({ length: 100 }, (_, at) => ({ ...event(at), ...extra(batch * 100 + at) }));
    return post('/api/events/batch', { events }, key);
  };
  await measure(
    `event of ${payloadBytes} bytes, in batches`,
    batches,
    () =>
      sendAll(
        batches,
        postBatch(() => ({})),
      ),
    batches * 100,
  );
  await measure(`event of ${payloadBytes} bytes, alone`, each, () =>
    sendAll(each, (at) => post('/api/events', event(at), key)),
  );
  await measure('the same with a dedup_id', each, () =>
    sendAll(each, (at) => post('/api/events', { ...event(at), dedup_id: `a-${at}-${at}` }, key)),
  );

  const address = receiver.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const set = await post('/api/webhook/config', { webhook_url: `http://127.0.0.1:${port}/hook` }, key);
  if (set.status >= 300) throw new Error(await set.text());
  await measure('event and its delivery', each, async () => {
    await sendAll(each, (at) => post('/api/events', event(at), key));
    for (;;) {
      const [row] = await sql<{ waiting: number }[]>`select count(*)::int as waiting from deliveries`;
      if (row?.waiting === 0) return;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  });

  say('\n| table | rows | bytes a row, heap | bytes a row, indexes |');
  say('| --- | --- | --- | --- |');
  const tables = await sql<{ name: string; heap: string; indexes: string }[]>`
    select relname as name, pg_table_size(oid) as heap, pg_indexes_size(oid) as indexes from pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1`;
  for (const { name, heap, indexes } of tables) {
    const [row] = await sql<{ count: number }[]>`select count(*)::int as count from ${sql(name)}`;
    const count = row?.count ?? 0;
    if (count < each) continue;
    const per = (bytes: string) => (Number(bytes) / count).toFixed(0);
    say(`| \`${name.replace(/_p?\d{8}$/, '')}\` | ${count} | ${per(heap)} | ${per(indexes)} |`);
  }
} finally {
  receiver.close();
  receiver.closeAllConnections();
  await sql.end({ timeout: 1 });
  await serving.stop();
}
