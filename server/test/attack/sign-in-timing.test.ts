import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  call,
  goodPassword,
  newEmail,
  type Person,
  signUp,
  startTestService,
  type TestService,
} from '../support/service.ts';

// Some milliseconds a hash, as no leak would show beside one that costs nothing.
const environment = { ARGON2_MEMORY_KIB: '4096', ARGON2_PASSES: '1' };
const service = await startTestService({ environment });
const samples = 150;

type Attempt = (index: number) => Promise<unknown>;

/** Takes turns, so that whatever else the machine does falls on all alike. */
async function measure(attempts: readonly Attempt[]): Promise<number[][]> {
  const durations: number[][] = attempts.map(() => []);
  for (let index = -10; index < samples; index += 1) {
    // A fixed order would give each its own predecessor.
    const order = attempts.map((attempt, kind) => ({ attempt, kind, key: Math.random() }));
    for (const { attempt, kind } of order.sort((a, b) => a.key - b.key)) {
      const startedAt = performance.now();
      await attempt(index);
      if (index >= 0) durations[kind]?.push(performance.now() - startedAt);
    }
  }
  return durations;
}

/** How often one of `slow` took longer than one of `fast` (Mann-Whitney): 0.5 for those that cannot be told apart. */
function superiority(slow: readonly number[], fast: readonly number[]): number {
  let wins = 0;
  for (const one of slow) for (const other of fast) wins += one > other ? 1 : one === other ? 0.5 : 0;
  return wins / (slow.length * fast.length);
}

/** 4.5 standard deviations of the statistic for two samples of 150 (1/300,000 by chance), see `superiority`. */
const tolerance = 0.15;

const signIn = async (at: TestService, email: string, password: string) => {
  const answer = await call(at, '/api/v1/auth/login', { json: { email, password } });
  assert.equal(answer.status, 401);
};

let known: Person;
let inactive: Person;
test('somebody has an account, and somebody an inactive one', async () => {
  known = await signUp(service);
  inactive = await signUp(service);
  await service.sql`update users set is_active = false where id = ${inactive.id}`;
});

test('a wrong password, an unknown e-mail and an inactive account take equally long', async () => {
  const [wrong = [], unknown = [], asleep = []] = await measure([
    (index) => signIn(service, known.email, `Wrong-Password-${index}`),
    () => signIn(service, newEmail(), goodPassword),
    () => signIn(service, inactive.email, goodPassword),
  ]);
  const found = {
    'wrong password and unknown e-mail': superiority(wrong, unknown),
    'wrong password and inactive account': superiority(wrong, asleep),
    'unknown e-mail and inactive account': superiority(unknown, asleep),
  };
  for (const [pair, value] of Object.entries(found)) {
    assert.ok(Math.abs(value - 0.5) < tolerance, `${pair} can be told apart: ${value.toFixed(3)}`);
  }
});

test('the same measurement finds a service where an unknown e-mail costs a quarter of the hash', async () => {
  const cheaper = { ARGON2_MEMORY_KIB: '1024', ARGON2_PASSES: '1' };
  const leaky = await startTestService({ beside: service, environment: cheaper });
  const [wrong = [], unknown = []] = await measure([
    (index) => signIn(leaky, known.email, `Wrong-Password-${index}`),
    () => signIn(leaky, newEmail(), goodPassword),
  ]);
  const value = superiority(wrong, unknown);
  assert.ok(value > 0.5 + tolerance, `${value.toFixed(3)} is not seen as a leak`);
});
