/**
 * How soon a new event of one organization is attempted while hundreds of thousands of another's are due: the real
 * service, posted to over HTTP, delivers to two receivers on this machine.
 *
 * Usage: node tools/bench/flood.ts [options]
 *   --flood 300000      deliveries of one organization that are due
 *   --trials 100        events of the other, one after the other
 *   --pause 100         milliseconds between them
 *   --checkout ../before   the service of another checkout
 *   --others 0          further organizations, each with ten deliveries that wait for a retry
 *
 * A time begins when the answer to the post has come, which is after the commit, and ends when the receiver has the head
 * of the request.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { connectToService } from './service-database.ts';
import { startServing } from './serving.ts';

const { values } = parseArgs({
  options: {
    flood: { type: 'string', default: '300000' },
    trials: { type: 'string', default: '100' },
    pause: { type: 'string', default: '100' },
    others: { type: 'string', default: '0' },
    checkout: { type: 'string', default: '' },
  },
});

const serving = await startServing({
  environment: { WEBHOOK_ALLOW_PRIVATE: 'on' },
  ...(values.checkout === '' ? {} : { checkout: values.checkout }),
});
const flooded = new Worker(new URL('flood-receiver.ts', import.meta.url));
const waiting = new Map<string, (atMs: number) => void>();
/** What arrived before its post was answered. */
const early = new Map<string, number>();
const receiver = createServer((request, response) => {
  const atMs = performance.now();
  const id = String(request.headers['webhook-id']);
  request.resume();
  response.end('ok');
  const resolve = waiting.get(id);
  if (resolve === undefined) early.set(id, atMs);
  else resolve(atMs);
});
try {
  const [floodPort]: unknown[] = await once(flooded, 'message');
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const bound = receiver.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;

  const sql = connectToService(serving.dataDir);
  const noisy = await makeOrganization('Noisy', `http://127.0.0.1:${String(floodPort)}/`);
  const quiet = await makeOrganization('Quiet', `http://127.0.0.1:${port}/`);
  for (let count = 0; count < Number(values.others); count += 1) {
    const { id } = await makeOrganization(`Other ${count}`, `http://127.0.0.1:${port}/`);
    await addDeliveries(id, 10, '1 hour');
  }
  await addDeliveries(noisy.id, Number(values.flood), '0');
  while ((await countReceived()) < 500) await sleep(50);

  const [startedAt, before] = [performance.now(), await countReceived()];
  const times: number[] = [];
  for (let trial = 0; trial < Number(values.trials); trial += 1) {
    times.push(await timeArrival(quiet.apiKey));
    await sleep(Number(values.pause));
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const rate = ((await countReceived()) - before) / seconds;
  const [left] = await sql<{ count: number }[]>`
    select count(*)::int as count from deliveries where organization_id = ${noisy.id}`;
  times.sort((a, b) => a - b);
  const at = (share: number) => (times[Math.ceil(times.length * share) - 1] ?? Number.NaN).toFixed(1);
  process.stdout.write(
    `${times.length} events beside ${left?.count} due: attempted after ${at(0.5)} ms in the median, P90 ${at(0.9)}, ` +
      `P99 ${at(0.99)}, worst ${at(1)}; over 100 ms: ${times.filter((ms) => ms > 100).length}. ` +
      `The flood itself: ${rate.toFixed(0)} deliveries/s.\n`,
  );
  await sql.end({ timeout: 5 });

  /** @param after when they are due, an interval of PostgreSQL */
  async function addDeliveries(organizationId: string, count: number, after: string): Promise<void> {
    await sql`
      with made as (
        insert into events (id, organization_id, type, payload, created_at)
        select uuidv7(interval '-1 minute'), ${organizationId}, 'flood', '{"n":1}', now() - interval '1 minute'
        from generate_series(1, ${count}::int)
        returning id, created_at
      )
      insert into deliveries (event_id, organization_id, due_at)
      select id, ${organizationId}, created_at + ${after}::text::interval from made`;
  }
} finally {
  await flooded.terminate();
  receiver.closeAllConnections();
  receiver.close();
  await serving.stop();
}

async function post(path: string, body: object, apiKey?: string): Promise<Record<string, unknown>> {
  const answer = await fetch(serving.url + path, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(apiKey === undefined ? {} : { 'x-api-key': apiKey }),
    },
    body: JSON.stringify(body),
  });
  const json: unknown = await answer.json();
  if (!answer.ok || typeof json !== 'object' || json === null) {
    throw new Error(`${path} was answered ${answer.status}: ${JSON.stringify(json)}`);
  }
  return { ...json };
}

async function makeOrganization(name: string, address: string): Promise<{ id: string; apiKey: string }> {
  const made = await post('/api/keys/generate', { organization_name: name, tier: 'enterprise' });
  const apiKey = String(made.api_key);
  await post('/api/webhook/config', { webhook_url: address }, apiKey);
  return { id: String(made.organization_id), apiKey };
}

async function timeArrival(apiKey: string): Promise<number> {
  const { id } = await post('/api/events', { type: 'quiet', payload: {} }, apiKey);
  const answeredAtMs = performance.now();
  const known = early.get(String(id));
  if (known !== undefined) return Math.max(0, known - answeredAtMs);
  const { promise, resolve } = Promise.withResolvers<number>();
  waiting.set(String(id), resolve);
  return (await promise) - answeredAtMs;
}

async function countReceived(): Promise<number> {
  flooded.postMessage('count');
  const [count]: unknown[] = await once(flooded, 'message');
  return Number(count);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
