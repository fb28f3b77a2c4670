/** The examples against what they are for: the real IronTrack service, and a small REST API. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createRawServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createUntimedClient } from '../src/load/http-client.ts';
import { openGenerator } from '../src/load/open-generator.ts';
import { type ServerUnderTest, startServer } from '../src/load/server-process.ts';
import type { Answer, RequestPlan, Scenario, ScenarioContext, Step } from '../src/scenarios/scenario.ts';

const examples = new URL('../scenarios/', import.meta.url);
const connections = 2;
const rounds = 3;

let folder: string;
let service: ServerUnderTest;
let serviceUrl: URL;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lab-scenarios-'));
  serviceUrl = new URL(`http://127.0.0.1:${await freePort()}/`);
  const main = fileURLToPath(new URL('../../server/src/main.ts', import.meta.url));
  service = await startServer({
    command: `exec "${process.execPath}" "${main}" serve`,
    cores: null,
    url: serviceUrl,
    readyTimeoutS: 120,
    cwd: folder,
    environment: {
      ...process.env,
      DATA_DIR: join(folder, 'data'),
      PORT: serviceUrl.port,
      DATABASE_URL: undefined,
      RATE_LIMIT: 'off',
      WEBHOOK_ALLOW_PRIVATE: 'on',
      ARGON2_MEMORY_KIB: '64',
      ARGON2_PASSES: '1',
      LOG_LEVEL: 'warn',
      LOG_FORMAT: 'json',
    },
  });
});

after(async () => {
  await service?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createRawServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  server.close();
  await once(server, 'close');
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

function contextOf(url: URL): ScenarioContext {
  return {
    url,
    newClient: () => createUntimedClient({ url, insecure: false }),
    readRows(path) {
      const [head = '', ...lines] = readFileSync(new URL(path, examples), 'utf8').trim().split('\n');
      const cells = (line: string) =>
        [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map(([, cell = '']) =>
          cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell,
        );
      return lines.map((line) =>
        Object.fromEntries(cells(head).map((name, at) => [name, cells(line)[at] ?? ''])),
      );
    },
    random: () => 0.5,
  };
}

type AnyScenario = Scenario<unknown, unknown>;

async function readExample(name: string): Promise<AnyScenario> {
  const { scenario }: { scenario: AnyScenario } = await import(new URL(`${name}.ts`, examples).href);
  assert.equal(scenario.name, name);
  assert.match(scenario.description ?? '', /\.$/);
  return scenario;
}

function judge(step: Step<unknown, unknown>, answer: Answer, session: unknown, shared: unknown): string {
  const isExpected = step.expect?.includes(answer.status) ?? (answer.status >= 200 && answer.status < 300);
  return isExpected ? (step.check?.(answer, session, shared) ?? 'right') : `status ${answer.status}`;
}

/** Two phases, as a warm-up and a run are; each request on its own, none by the clock. */
async function walkThrough(scenario: AnyScenario, url: URL): Promise<string[]> {
  const context = contextOf(url);
  const verdicts: string[] = [];
  const shared = await scenario.setUp?.(context);
  for (let phase = 0; phase < 2; phase += 1) {
    let number = 0;
    for (let index = 0; index < connections; index += 1) {
      const session = await scenario.connect?.(context, shared, index);
      for (let round = 0; round < rounds; round += 1) {
        for (const step of scenario.steps) {
          const { request } = step;
          const plan: RequestPlan =
            typeof request === 'function' ? request(session, number, shared) : request;
          number += 1;
          // A new client each time, as the load keeps no cookies: what a request needs, its plan says.
          const answer = await context.newClient().send(plan);
          verdicts.push(`${step.name}: ${judge(step, answer, session, shared)}`);
        }
        if (round === 0) await scenario.renew?.run(session, shared);
      }
    }
  }
  await scenario.tearDown?.(context, shared);
  return verdicts;
}

const serviceExamples = [
  'ping',
  'health',
  'me',
  'signup',
  'signin',
  'refresh',
  'sessions',
  'profile-update',
  'openapi',
  'mixed',
  'ingest',
  'ingest-dedup',
  'inbox',
  'deliver',
  'exercises',
  'exercises-cold',
];
for (const name of serviceExamples) {
  test(`the service answers every step of the example ${name} rightly, in each phase of a run`, async () => {
    const scenario = await readExample(name);
    const verdicts = await walkThrough(scenario, serviceUrl);
    assert.equal(verdicts.length, 2 * connections * rounds * scenario.steps.length);
    assert.deepEqual(
      [...new Set(verdicts)],
      scenario.steps.map((step) => `${step.name}: right`),
    );
  });
}

test('the mix is 80 me, 10 sessions, 5 refreshes, 3 changes of the profile and 2 sign-ins', async () => {
  const { steps } = await readExample('mixed');
  assert.deepEqual(
    steps.map(({ name, weight }) => [name, weight]),
    [
      ['me', 80],
      ['sessions', 10],
      ['refresh', 5],
      ['profile-update', 3],
      ['signin', 2],
    ],
  );
});

test('the examples of lists notice a page that is too short, too long or finds something else', async () => {
  const made = (page: object): Answer => ({ status: 200, headers: {}, text: () => '', json: () => page });
  const [first] = (await readExample('exercises')).steps;
  assert.ok(first !== undefined);
  assert.match(judge(first, made({ items: [{}], total: 95 }), {}, undefined), /^lists 1 exercises/);
  assert.match(judge(first, made({ items: [], total: 0 }), {}, undefined), /^lists 0 exercises/);

  const { steps } = await readExample('exercises-cold');
  const reader = { size: 1, word: 'press', cursor: 'before' };
  const found = made({ items: [{ name: 'Bench PRESS' }, { name: 'Squat' }], next_cursor: null });
  const verdicts = steps.map((step) => [step.name, judge(step, found, reader, undefined)]);
  assert.deepEqual(verdicts, [
    ['plain', 'lists 2 exercises, not 1'],
    ['cursor', 'lists 2 exercises, not 1'],
    ['search', 'found Squat by press'],
    ['category', 'lists 2 exercises, not 1'],
    ['muscle', 'lists 2 exercises, not 1'],
  ]);
  assert.equal(reader.cursor, '');
});

test("the examples notice somebody else's answer, a lost or old token and a service that is half down", async () => {
  const context = contextOf(serviceUrl);
  const me = await readExample('me');
  const shared = await me.setUp?.(context);
  const ada = await me.connect?.(context, shared, 0);
  const bob = await me.connect?.(context, shared, 1);
  const [step] = me.steps;
  assert.ok(step !== undefined && typeof step.request === 'function');
  const answer = await context.newClient().send(step.request(ada, 0, shared));
  assert.equal(judge(step, answer, ada, shared), 'right');
  assert.match(judge(step, answer, bob, shared), /^is for user .*, not /);

  const refresh = await readExample('refresh');
  const crowd = await refresh.setUp?.(context);
  const session = await refresh.connect?.(context, crowd, 0);
  const [rotate] = refresh.steps;
  assert.ok(rotate !== undefined && typeof rotate.request === 'function');
  const rotated = await context.newClient().send(rotate.request(session, 0, crowd));
  assert.equal(judge(rotate, rotated, session, crowd), 'right');
  assert.match(judge(rotate, rotated, session, crowd), /same refresh token/);

  // Sent, but its answer is lost: what is asked next may be refused, until the session is mended.
  rotate.request(session, 1, crowd);
  await refresh.renew?.run(session, crowd);
  const mended = await context.newClient().send(rotate.request(session, 2, crowd));
  assert.equal(judge(rotate, mended, session, crowd), 'right');

  const [health] = (await readExample('health')).steps;
  assert.ok(health !== undefined);
  const half = { database_status: 'online', cache_status: 'offline' };
  const made: Answer = { status: 200, headers: {}, text: () => '', json: () => half };
  assert.match(judge(health, made, undefined, undefined), /cache is offline/);
});

test('the examples notice a wrong original, a page that repeats an event and a delivery that failed', async () => {
  const context = contextOf(serviceUrl);
  const made = (status: number, body: unknown): Answer => ({
    status,
    headers: {},
    text: () => JSON.stringify(body),
    json: () => body,
  });
  const dedup = await readExample('ingest-dedup');
  const shop = await dedup.setUp?.(context);
  const till = await dedup.connect?.(context, shop, 0);
  const repeat = dedup.steps.find(({ name }) => name === 'repeat');
  assert.ok(repeat !== undefined);
  const other = made(409, { event_id: 'another', payload_mismatch: false });
  assert.equal(judge(repeat, other, till, shop), 'names another event');

  const inbox = await readExample('inbox');
  const apiKey = await inbox.setUp?.(context);
  const reader = await inbox.connect?.(context, apiKey, 0);
  const [page] = inbox.steps;
  assert.ok(page !== undefined && typeof page.request === 'function');
  page.request(reader, 0, apiKey);
  const twice = made(200, { events: [{ id: 'b' }, { id: 'b' }], next_cursor: null });
  assert.match(judge(page, twice, reader, apiKey), /repeats an event/);
  page.request(reader, 1, apiKey);
  const short = made(200, { events: [{ id: 'b' }, { id: 'a' }], next_cursor: null });
  assert.equal(judge(page, short, reader, apiKey), 'ends after 2 of 1000 events');

  const deliver = await readExample('deliver');
  const lookUp = deliver.steps.find(({ name }) => name === 'look-up');
  assert.ok(lookUp !== undefined);
  const sender = { eventId: 'a', postedAtMs: Date.now() - 60_000, newest: {} };
  const failed = made(200, { status: 'retrying', attempts: 1, last_error: 'Refused.' });
  assert.equal(judge(lookUp, failed, sender, undefined), 'failed to deliver: Refused.');
  const waiting = made(200, { status: 'pending', attempts: 0, last_error: null });
  assert.equal(judge(lookUp, waiting, sender, undefined), 'has not delivered after 60 s');
});

for (const name of ['me', 'refresh', 'mixed', 'exercises-cold', 'ingest-dedup', 'inbox', 'deliver']) {
  test(`under load, over two phases, every answer of the example ${name} is right`, async () => {
    const scenarioPath = fileURLToPath(new URL(`${name}.ts`, examples));
    const generator = await openGenerator(
      {
        url: serviceUrl.href,
        insecure: false,
        scenarioPath,
        seed: 1,
        maxBodyBytes: 2 ** 20,
        load: {
          loop: 'open',
          ratePerS: 50,
          arrivals: 'poisson',
          connections: 4,
          durationS: 1,
          warmupS: 0,
          pauseS: 0,
          timeoutS: 30,
          spin: false,
          protocol: 'http/1.1',
          serverCores: null,
          generatorCores: null,
        },
      },
      { cores: null, interrupted: new AbortController().signal },
    );
    try {
      for (let phase = 0; phase < 2; phase += 1) {
        const run = await generator.run({ durationS: 1, ratePerS: 50 });
        // On a machine with much else to do, some may still be waiting when the phase ends.
        assert.deepEqual({ ...run.failures, unfinished: 0 }, { unfinished: 0 });
        assert.ok(run.ok > 0);
      }
    } finally {
      await generator.close();
    }
  });
}

test('a plain REST API is listed, read and added to, the rows of the data file in turn', async () => {
  const posts: Record<string, unknown>[] = [
    { id: 1, title: 'One' },
    { id: 2, title: 'Two' },
  ];
  const server = createServer(async (request, response) => {
    response.setHeader('content-type', 'application/json');
    const id = /^\/posts\/(\d+)$/.exec(request.url ?? '')?.[1];
    if (request.method === 'POST') {
      let text = '';
      for await (const chunk of request) text += chunk;
      const post: Record<string, unknown> = { ...JSON.parse(text), id: posts.length + 1 };
      posts.push(post);
      response.writeHead(201).end(JSON.stringify(post));
    } else if (id === undefined) response.end(JSON.stringify(posts));
    else response.end(JSON.stringify(posts.find((post) => String(post.id) === id)));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const bound = server.address();
    assert.ok(typeof bound === 'object' && bound !== null);
    const verdicts = await walkThrough(
      await readExample('rest-api'),
      new URL(`http://127.0.0.1:${bound.port}/`),
    );
    assert.deepEqual([...new Set(verdicts)], ['list: right', 'read: right', 'create: right']);
    const titles = new Set(posts.slice(2).map(({ title }) => title));
    assert.deepEqual([...titles].toSorted(), ['First light', 'Rain, again', 'Rest day']);
  } finally {
    server.close();
  }
});
