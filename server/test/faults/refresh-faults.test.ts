import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { call, enter, member, startTestService, type TestService, textMember } from '../support/service.ts';

// What becomes of refreshes while PostgreSQL cannot work on them: they hold their place in a statement all the while.
const refresh = (service: TestService, token: string) =>
  call(service, '/api/v1/auth/refresh', { json: { refresh_token: token } });

/** Asks again while the service says that it has too much to do: it does so for a moment after a long wait. */
async function refreshUnlessBusy(service: TestService, token: string) {
  const deadline = performance.now() + 20_000;
  let answer = await refresh(service, token);
  while (answer.status === 503 && performance.now() < deadline) {
    await wait(100);
    answer = await refresh(service, token);
  }
  return answer;
}

/** Nobody changes a session as long as this runs. */
async function whileSessionsAreLocked<Result>(service: TestService, work: () => Promise<Result>) {
  return await service.sql.begin(async (tx) => {
    await tx`lock table sessions in access exclusive mode`;
    return { result: await work() };
  });
}

test('refreshes that find no place in a statement in time are told so, and the others are served', async () => {
  const service = await startTestService({ environment: { DATABASE_MAX_WAIT_MS: '1000' } });
  const person = await enter(service);
  const tokens = [person.refreshToken];
  while (tokens.length < 100) {
    const { email, password } = person;
    const { body } = await call(service, '/api/v1/auth/login', { json: { email, password } });
    tokens.push(textMember(body, 'refresh_token'));
  }
  const { result } = await whileSessionsAreLocked(service, async () => {
    let refused = 0;
    const asked = tokens.map(async (token) => {
      const answer = await refresh(service, token);
      if (answer.status === 503) refused += 1;
      return answer;
    });
    const deadline = performance.now() + 20_000;
    while (refused < 36 && performance.now() < deadline) await wait(20);
    return { asked };
  });
  const answers = await Promise.all(result.asked);
  const refused = answers.filter(({ status }) => status === 503);
  for (const { body, headers } of refused) {
    assert.match(String(member(body, 'code')), /^(overloaded|database-unavailable)$/);
    assert.ok(headers.has('retry-after'));
  }
  // Two statements of 32 are under way; whoever waited for the third was turned away.
  assert.ok(refused.length >= 36, `${refused.length} refused`);
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200, 503]));
  const metrics = await (await fetch(`${service.url}/metrics`)).text();
  assert.match(metrics, /admission_refusals_total\{[^}]*database-queue[^}]*\} \d+/);
  // Refused is not done: the same tokens are still good, as soon as the service lets in again who comes.
  for (const [index, { status }] of answers.entries()) {
    if (status === 503) assert.equal((await refreshUnlessBusy(service, tokens[index] ?? '')).status, 200);
  }
});

test('a rotation that PostgreSQL did long after it was sent leaves the client its grace', async () => {
  const service = await startTestService();
  // The node composed it 11 s before it was done, as when PostgreSQL stood still with the statement in hand.
  service.clock.advance(-11_000);
  const { refreshToken } = await enter(service);
  const rotated = await refresh(service, refreshToken);
  service.clock.advance(11_000);
  const again = await refresh(service, refreshToken);
  assert.equal(again.status, 200, JSON.stringify(again.body));
  assert.equal(textMember(again.body, 'refresh_token'), textMember(rotated.body, 'refresh_token'));
});
