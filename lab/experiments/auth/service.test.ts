import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type Switches, steps, switchesOfStep } from './steps.ts';
import { buildService, connect } from './service.ts';
import { openExperimentDatabase } from './testing/experiment-database.ts';

type Service = Awaited<ReturnType<typeof buildService>>;

const password = 'Correct-Horse-7';
const last = switchesOfStep(steps.length - 1);
const kinds: [name: string, switches: Switches][] = [
  ...steps.map(({ title }, step): [string, Switches] => [`${step} ${title}`, switchesOfStep(step)]),
  ['pipelined statements', { ...switchesOfStep(2), statements: 'pipelined' }],
  ['parallel statements', { ...switchesOfStep(2), statements: 'parallel' }],
  ['four lanes', { ...last, lanes: 4 }],
];

suite('the service of the experiment', () => {
  let database: Awaited<ReturnType<typeof openExperimentDatabase>>;
  before(async () => {
    database = await openExperimentDatabase();
  });
  after(() => database.drop());

  const lists: unknown[] = [];
  for (const [name, switches] of kinds) {
    test(`answers the same calls in the same way: ${name}`, async () => {
      const service = await buildService({ switches, databaseUrl: database.url, now: Date.now });
      try {
        const email = `${name.toLowerCase().replaceAll(' ', '-')}@example.org`;
        await tellsWhoIsSignedIn(service, email);
        await refusesStrangers(service, email);
        const list = await service.inject('/api/v1/exercises');
        assert.equal(list.statusCode, 200);
        assert.match(list.headers['content-type']?.toString() ?? '', /^application\/json/);
        lists.push(list.json());
        const ping = await service.inject('/ping');
        assert.equal(ping.body, 'OK');
      } finally {
        await service.close();
      }
    });
  }

  test('lists the same 50 exercises whoever writes the JSON', () => {
    assert.equal(lists.length, kinds.length);
    for (const list of lists) assert.deepEqual(list, lists[0]);
    const items: unknown = Reflect.get(Object(lists[0]), 'items');
    assert.ok(Array.isArray(items) && items.length === 50);
  });

  test('a token is refused once it has expired, also when it was kept', async () => {
    let now = Date.now();
    const service = await buildService({ switches: last, databaseUrl: database.url, now: () => now });
    try {
      const cookie = await enter(service, 'expires@example.org');
      assert.equal((await askMe(service, cookie)).statusCode, 200);
      now += 1801 * 1000;
      assert.equal((await askMe(service, cookie)).statusCode, 401);
    } finally {
      await service.close();
    }
  });

  test('keeps no password in plain text', async () => {
    const sql = connect(database.url, 1);
    try {
      const rows = await sql<{ passwordHash: string }[]>`select password_hash from lab_experiment.users`;
      assert.ok(rows.length >= kinds.length);
      for (const { passwordHash } of rows) assert.doesNotMatch(passwordHash, /Correct/);
    } finally {
      await sql.end();
    }
  });
});

test('steps are numbered from 0, and there is none beyond', () => {
  assert.equal(switchesOfStep(0).hashing, 'loop');
  assert.deepEqual(switchesOfStep(6).serialisation, 'compiled');
  assert.throws(() => switchesOfStep(7), /no step 7/);
  assert.throws(() => switchesOfStep(Number.NaN), RangeError);
});

test('each step changes one thing', () => {
  for (const { switches } of steps.slice(1)) assert.equal(Object.keys(switches).length, 1);
});

async function tellsWhoIsSignedIn(service: Service, email: string): Promise<void> {
  const cookie = await enter(service, email);
  // Twice, since the second answer may come from what was kept of the first.
  for (let time = 0; time < 2; time += 1) {
    const me = await askMe(service, cookie);
    assert.equal(me.statusCode, 200);
    const { id, ...rest } = me.json();
    assert.match(id, /^[0-9a-f-]{36}$/);
    const expected = { name: null, email, isActive: true, isSuperuser: false, roleSlug: 'user' };
    assert.deepEqual(rest, expected);
  }
}

async function refusesStrangers(service: Service, email: string): Promise<void> {
  const again = await signUp(service, email);
  assert.equal(again.statusCode, 409);
  const wrong = await signIn(service, email, 'Wrong-Horse-7');
  assert.equal(wrong.statusCode, 401);
  assert.equal(wrong.headers['set-cookie'], undefined);
  assert.equal((await signIn(service, `not-${email}`, password)).statusCode, 401);
  assert.equal((await service.inject('/api/v1/access/me')).statusCode, 401);
  const [head, payload, signature = ''] = (await enterAgain(service, email)).split('.');
  const forged = `${head}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
  assert.equal((await askMe(service, forged)).statusCode, 401);
  const short = await service.inject({ method: 'POST', url: '/api/v1/access/signin', payload: { email } });
  assert.equal(short.statusCode, 400);
}

async function enter(service: Service, email: string): Promise<string> {
  const created = await signUp(service, email);
  assert.equal(created.statusCode, 201);
  assert.equal(created.json().email, email);
  return enterAgain(service, email);
}

/** The cookie header for a new pair of tokens. */
async function enterAgain(service: Service, email: string): Promise<string> {
  const answer = await signIn(service, email, password);
  assert.equal(answer.statusCode, 204);
  const names = answer.cookies.map(({ name }) => name);
  assert.deepEqual(names, ['access_token', 'refresh_token']);
  const [access] = answer.cookies;
  return `access_token=${access?.value}`;
}

function signUp(service: Service, email: string) {
  const payload = { email, password, confirmPassword: password };
  return service.inject({ method: 'POST', url: '/api/v1/access/signup', payload });
}

function signIn(service: Service, email: string, typed: string) {
  const payload = { email, password: typed };
  return service.inject({ method: 'POST', url: '/api/v1/access/signin', payload });
}

function askMe(service: Service, cookie: string) {
  return service.inject({ url: '/api/v1/access/me', headers: { cookie } });
}
