import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertProblem } from '../support/expectations.ts';
import {
  type Answer,
  call,
  enter,
  goodPassword,
  newEmail,
  type SignedIn,
  signIn,
  startTestService,
} from '../support/service.ts';

// Hashes of the real cost, one at a time, and hardly any wait: some fifty of sixty sign-ins have to be turned away.
const service = await startTestService({
  environment: {
    HASH_CONCURRENCY: '1',
    HASH_MAX_WAIT_MS: '100',
    ARGON2_MEMORY_KIB: '65536',
    ARGON2_PASSES: '3',
  },
});
const person = await enter(service);

/** Sends them all at once and asks /me, again and again, until the last one is answered. */
async function burst(requests: readonly (() => Promise<Answer>)[]): Promise<Answer[]> {
  let open = requests.length;
  const answers = requests.map(async (send) => {
    const answer = await send();
    open -= 1;
    return answer;
  });
  let answeredMeanwhile = 0;
  while (open > 0) {
    const me = await call(service, '/api/v1/access/me', { bearer: person.accessToken });
    assert.equal(me.status, 200);
    if (open > 0) answeredMeanwhile += 1;
  }
  assert.ok(answeredMeanwhile > 0, '/me waited for the hashes');
  return await Promise.all(answers);
}

/** Each was answered in one of the two ways. @returns how many were let in */
function countAdmitted(answers: readonly Answer[], success: number): number {
  const refused = answers.filter((answer) => answer.status !== success);
  for (const answer of refused) {
    assertProblem(answer, 503, 'hash-queue-full');
    assert.match(answer.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
  }
  assert.ok(refused.length > 0, 'the queue has no end');
  return answers.length - refused.length;
}

async function countRows(table: 'sessions' | 'users'): Promise<number> {
  const [row] = await service.sql`select count(*)::int as count from ${service.sql(table)}`;
  return Number(row?.count);
}

async function assertQueueEmpty(): Promise<void> {
  const metrics = String((await call(service, '/metrics')).body);
  assert.match(metrics, /^password_hash_waiting 0$/m);
  assert.match(metrics, /^password_hash_running 0$/m);
}

test('of sixty sign-ins at once each gets a session or a 503 that says when to come back, and /me goes on', async () => {
  const before = await countRows('sessions');
  const { email, password } = person;
  const order: number[] = [];
  const send = async () => {
    const answer = await call(service, '/api/v1/auth/login', { json: { email, password } });
    order.push(answer.status);
    return answer;
  };
  const admitted = countAdmitted(await burst(Array.from({ length: 60 }, () => send)), 200);
  assert.ok(admitted > 0, 'nobody was let in');
  assert.equal(order[0], 503, 'who is turned away is told so at the door, not after a wait');
  assert.equal((await countRows('sessions')) - before, admitted, 'who was refused has no session');
  const failures = await service.sql`select id from audit_entries where action = 'user.sign_in_failed'`;
  assert.equal(failures.length, 0, 'a full queue is no wrong password');
  await assertQueueEmpty();
  await signIn(service, person);
});

test('of thirty sign-ups at once each makes its account or is turned away without one', async () => {
  const before = await countRows('users');
  const send = () =>
    call(service, '/api/v1/auth/register', { json: { email: newEmail(), password: goodPassword } });
  const admitted = countAdmitted(await burst(Array.from({ length: 30 }, () => send)), 201);
  assert.ok(admitted > 0, 'nobody was let in');
  assert.equal((await countRows('users')) - before, admitted);
  await assertQueueEmpty();
  assert.equal((await send()).status, 201);
});

test('of many password changes at once each is done or has changed nothing', async () => {
  const [row] = await service.sql`select password_hash as hash from users where id = ${person.id}`;
  const people: SignedIn[] = [];
  // Their sign-ins one by one, their accounts with a copy of a hash: no wait for hashes that prove nothing here.
  for (let count = 0; count < 12; count += 1) {
    const [user] = await service.sql`
      insert into users (id, email, password_hash, created_at, updated_at)
      values (gen_random_uuid(), ${newEmail()}, ${String(row?.hash)}, now(), now()) returning id, email`;
    people.push(
      await signIn(service, { id: String(user?.id), email: String(user?.email), password: goodPassword }),
    );
  }
  const newPassword = 'Better-Horse-8';
  const send = (bearer: string) =>
    call(service, '/api/v1/access/password-update', {
      method: 'PATCH',
      bearer,
      json: { currentPassword: goodPassword, newPassword },
    });
  const answers = await burst(
    people.map(
      ({ accessToken }) =>
        () =>
          send(accessToken),
    ),
  );
  countAdmitted(answers, 204);
  await assertQueueEmpty();
  for (const [index, { id, accessToken }] of people.entries()) {
    const isDone = answers[index]?.status === 204;
    const [account] = await service.sql`select password_hash as hash from users where id = ${id}`;
    assert.equal(account?.hash !== row?.hash, isDone);
    const me = await call(service, '/api/v1/access/me', { bearer: accessToken });
    assert.equal(me.status, isDone ? 401 : 200);
  }
  assert.equal((await send(person.accessToken)).status, 204);
  await signIn(service, { ...person, password: newPassword });
});
