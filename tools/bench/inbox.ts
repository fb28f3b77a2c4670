/**
 * How long a page of the inbox takes beside millions of events: the real service with its own PostgreSQL, filled with
 * events of the last days, nine in ten of them of one organization, whose inbox is read one page after the other.
 *
 * Usage: node tools/bench/inbox.ts [options]
 *   --events 10000000   events in the table; ten million take some 6 GB of disk and several minutes to make
 *   --days 30           over which they are spread, a partition each
 *   --requests 1000     of each kind of page
 *   --limit 100         events of a page
 *   --keep DIR          a folder to keep the database in, and to use it again; unset: removed at the end
 *
 * Times are those of the client, from the request to the last byte, on one connection.
 */
import { hash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Sql } from 'postgres';
import { connectToService } from './service-database.ts';
import { startServing } from './serving.ts';

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '10000000' },
    days: { type: 'string', default: '30' },
    requests: { type: 'string', default: '1000' },
    limit: { type: 'string', default: '100' },
    keep: { type: 'string', default: '' },
  },
});
const [events, days, requests] = [Number(values.events), Number(values.days), Number(values.requests)];
const dayMs = 24 * 60 * 60 * 1000;
const minuteMs = 60_000;

const keptBefore = values.keep !== '' && existsSync(join(values.keep, 'data'));
if (values.keep !== '') mkdirSync(values.keep, { recursive: true });
const serving = await startServing({
  // What is measured is a page, not what is refused while the machine has too much else to do.
  environment: { EVENT_RETENTION: '3650d', WEBHOOK_WORKER: 'off', MAX_EVENT_LOOP_DELAY_MS: '0' },
  ...(values.keep === '' ? {} : { dataDir: values.keep }),
});
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
try {
  const sql = connectToService(serving.dataDir);
  const made = await makeOrganization();
  const id = keptBefore ? await adopt(sql, made.id) : made.id;
  if (!keptBefore) await fill(sql, id);
  await report(sql, id, made.apiKey);
  await sql.end({ timeout: 5 });
} finally {
  agent.destroy();
  await serving.stop();
}

async function makeOrganization(): Promise<{ id: string; apiKey: string }> {
  const answer = await fetch(`${serving.url}/api/keys/generate`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ organization_name: 'Inbox', tier: 'enterprise' }),
  });
  const body: unknown = await answer.json();
  if (typeof body !== 'object' || body === null || !('api_key' in body) || !('organization_id' in body)) {
    throw new Error(`No organization was made: ${JSON.stringify(body)}`);
  }
  return { id: String(body.organization_id), apiKey: String(body.api_key) };
}

/** The key that was just made opens the inbox of a database from before. @returns whose that is */
async function adopt(sql: Sql, keyHolder: string): Promise<string> {
  const [row] = await sql<{ id: string }[]>`
    select organization_id as id from deliveries limit 1`;
  if (row === undefined) throw new Error('The kept database is not one that this program has filled.');
  await sql`update api_keys set organization_id = ${row.id} where organization_id = ${keyHolder}`;
  return row.id;
}

/** Ninety in a hundred delivered, nine pending, one failed; a thousand of the pending ones are being retried. */
async function fill(sql: Sql, id: string): Promise<void> {
  const startedAt = performance.now();
  const now = Date.now();
  for (let day = days - 1; day >= 0; day -= 1) {
    const [from, to] = [now - (day + 1) * dayMs, now - day * dayMs - minuteMs];
    await makePartition(sql, from);
    await makePartition(sql, to);
    const count = Math.floor(events / days) + (day === 0 ? events % days : 0);
    await sql`
      insert into events (id, organization_id, type, payload, created_at, status, finished_at, attempts)
      select uuidv7(at - now()), case when n % 10 = 0 then md5((n % 1000)::text)::uuid else ${id}::uuid end,
        'order.created',
        '{"order":"' || n || '","items":[{"sku":"A-1","count":2}],"note":"' || repeat('x', 200) || '"}', at,
        case when n % 100 < 90 then 'delivered' when n % 100 < 99 then 'pending' else 'failed' end,
        case when n % 100 between 90 and 98 then null else at end, 1
      from (
        select n, to_timestamp(${from}::float8 / 1000 + n * (${to - from}::float8 / 1000 / ${count}::float8)) as at
        from generate_series(1, ${count}::int) as n
      ) as g`;
    process.stderr.write(
      `${days - day} of ${days} days, ${Math.round((performance.now() - startedAt) / 1000)} s\n`,
    );
  }
  await sql`
    insert into deliveries (event_id, organization_id, due_at, attempts, last_error)
    select id, organization_id, now() + interval '1 hour', 2, 'Answered 500.' from events
    where organization_id = ${id} and status = 'pending' order by id limit 1000`;
  await sql`vacuum (analyze) events`;
  await sql`vacuum (analyze) deliveries`;
}

/** The service makes those of days to come; these are of days gone by. */
async function makePartition(sql: Sql, atMs: number): Promise<void> {
  const startMs = Math.floor(atMs / dayMs) * dayMs;
  const name = `events_${new Date(startMs).toISOString().slice(0, 10).replaceAll('-', '')}`;
  await sql`select make_partition('events', 'id', ${name}, ${lowestIdAt(startMs)}, ${lowestIdAt(startMs + dayMs)})`;
}

function lowestIdAt(ms: number): string {
  const hex = Math.floor(ms).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

/** As the service writes one; by pages alone it would take hours to get to the middle. */
function writeCursor(eventId: string, listKey: string): string {
  const checksum = hash('sha256', `${listKey}\n${eventId}`, 'base64url').slice(0, 12);
  return Buffer.from(eventId.replaceAll('-', ''), 'hex').toString('base64url') + checksum;
}

async function report(sql: Sql, id: string, apiKey: string): Promise<void> {
  const [size] = await sql<{ events: number; own: number; bytes: string }[]>`
    select count(*)::int as events, count(*) filter (where organization_id = ${id})::int as own,
      (select pg_size_pretty(sum(pg_total_relation_size(inhrelid))) from pg_inherits
        where inhparent = 'events'::regclass) as bytes
    from events`;
  process.stdout.write(
    `${size?.events} events, ${size?.own} of them in the inbox that is read, ${size?.bytes} on disk.\n\n`,
  );
  const anywhere = (status = 'all') => {
    const before = lowestIdAt(Date.now() - Math.random() * days * dayMs);
    return `&cursor=${encodeURIComponent(writeCursor(before, `${id} ${status}`))}`;
  };
  const kinds: readonly [string, () => string][] = [
    ['newest', () => ''],
    ['from a cursor anywhere', () => anywhere()],
    ['pending', () => '&status=pending'],
    ['pending, from a cursor anywhere', () => `&status=pending${anywhere('pending')}`],
    ['delivered, from a cursor anywhere', () => `&status=delivered${anywhere('delivered')}`],
    ['failed', () => '&status=failed'],
    ['retrying', () => '&status=retrying'],
  ];
  process.stdout.write('| page | P50 ms | P99 ms | most |\n| --- | --- | --- | --- |\n');
  for (const [name, query] of kinds) {
    const times: number[] = [];
    for (let count = 0; count < requests; count += 1) {
      times.push(await time(`/api/inbox?limit=${values.limit}${query()}`, apiKey));
    }
    times.sort((a, b) => a - b);
    const at = (share: number) => (times[Math.ceil(times.length * share) - 1] ?? Number.NaN).toFixed(2);
    process.stdout.write(`| ${name} | ${at(0.5)} | ${at(0.99)} | ${at(1)} |\n`);
  }
  const counted = await time(`/api/inbox?limit=${values.limit}&offset=0`, apiKey).then(
    (ms) => `${ms.toFixed(0)} ms, once`,
    (error: unknown) => String(error),
  );
  process.stdout.write(`\nWith offset=0, which counts all for \`total\`: ${counted}.\n`);
}

/** @returns milliseconds to the last byte @throws Error for any answer but 200 */
function time(path: string, apiKey: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const sent = request(`${serving.url}${path}`, { agent, headers: { 'x-api-key': apiKey } }, (response) => {
      response.resume();
      response.on('end', () => {
        if (response.statusCode === 200) resolve(performance.now() - startedAt);
        else reject(new Error(`${path} was answered ${response.statusCode}.`));
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}
