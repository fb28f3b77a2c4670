import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attemptLimits } from '../../src/accounts/attempt-limits.ts';
import {
  type Answer,
  call,
  enter,
  goodPassword,
  member,
  newEmail,
  signUp,
  startTestService,
  type TestService,
  textMember,
} from '../support/service.ts';

const environment = { RATE_LIMIT: 'on', TRUSTED_PROXIES: '127.0.0.1,10.0.0.0/8' };
const service = await startTestService({ environment });
const untrusting = await startTestService({ environment: { RATE_LIMIT: 'on' } });

let serial = 0;
/** An address nobody else in this file has. */
function newAddress(): string {
  serial += 1;
  return `203.${serial >> 16}.${(serial >> 8) & 255}.${serial & 255}`;
}

const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });
const signIn = (email: string, address: string, password = 'Wrong-Password-1', at: TestService = service) =>
  call(at, '/api/v1/auth/login', { json: { email, password }, ...from(address) });

function expectTooMany(answer: Answer, longestSeconds: number): void {
  assert.equal(answer.status, 429);
  assert.equal(member(answer.body, 'code'), 'too-many-attempts');
  const seconds = Number(answer.headers.get('retry-after'));
  assert.ok(Number.isInteger(seconds) && seconds >= 1 && seconds <= longestSeconds, `${seconds} s`);
}

/** Fills a limit to the brim with failures and returns the answer after the last. */
async function exceed(
  points: number,
  attempt: (index: number) => Promise<Answer>,
  expected = 401,
): Promise<Answer> {
  for (let index = 0; index < points; index += 1) {
    const answer = await attempt(index);
    assert.equal(answer.status, expected, `attempt ${index + 1} of ${points}`);
  }
  return await attempt(points);
}

test('an account is guessed ten times from one address, then refused there, though the password is right', async () => {
  const { pair } = attemptLimits['sign-in'];
  const { email } = await signUp(untrusting);
  const person = await signUp(service);
  const address = newAddress();
  expectTooMany(await exceed(pair.points, () => signIn(person.email, address)), pair.seconds);
  expectTooMany(await signIn(person.email, address, goodPassword), pair.seconds);
  assert.equal((await signIn(person.email, newAddress(), goodPassword)).status, 200, 'from elsewhere');
  assert.equal((await signIn(email, address)).status, 401, 'another account from there');
});

test('an e-mail in another case is no other account', async () => {
  const { pair } = attemptLimits['sign-in'];
  const { email } = await signUp(service);
  const address = newAddress();
  const spell = (index: number) => (index % 2 === 0 ? email.toUpperCase() : email);
  expectTooMany(await exceed(pair.points, (index) => signIn(spell(index), address)), pair.seconds);
});

test('an account that is guessed from many addresses is refused to strangers and open to its owner', async () => {
  const { account } = attemptLimits['sign-in'];
  const person = await signUp(service);
  const home = newAddress();
  assert.equal((await signIn(person.email, home, goodPassword)).status, 200);
  expectTooMany(await exceed(account.points, () => signIn(person.email, newAddress())), account.seconds);
  expectTooMany(await signIn(person.email, newAddress(), goodPassword), account.seconds);
  assert.equal(
    (await signIn(person.email, home, goodPassword)).status,
    200,
    'the owner from a known address',
  );
});

test('the owner is known by the IPv6 network of an earlier session, whatever the address in it', async () => {
  const { account } = attemptLimits['sign-in'];
  const person = await signUp(service);
  assert.equal((await signIn(person.email, '2001:db8:7:7::1', goodPassword)).status, 200);
  const seconds = account.seconds;
  expectTooMany(await exceed(account.points, () => signIn(person.email, newAddress())), seconds);
  assert.equal((await signIn(person.email, '2001:db8:7:7:aaaa::2', goodPassword)).status, 200, 'the same');
  expectTooMany(await signIn(person.email, '2001:db8:7:8::1', goodPassword), seconds);
});

test('an address that guesses many accounts is refused, others are not', async () => {
  const { address: limit } = attemptLimits['sign-in'];
  const person = await signUp(service);
  const address = newAddress();
  expectTooMany(await exceed(limit.points, () => signIn(newEmail(), address)), limit.seconds);
  expectTooMany(await signIn(person.email, address, goodPassword), limit.seconds);
  assert.equal((await signIn(person.email, newAddress(), goodPassword)).status, 200);
});

test('rightful sign-ins are not counted', async () => {
  const person = await signUp(service);
  const address = newAddress();
  for (let index = 0; index < 2 * attemptLimits['sign-in'].pair.points; index += 1) {
    assert.equal((await signIn(person.email, address, goodPassword)).status, 200);
  }
});

test('sign-ups of one e-mail are limited', async () => {
  const { pair } = attemptLimits['sign-up'];
  const { email } = await signUp(service);
  const attempt = () =>
    call(service, '/api/v1/auth/register', {
      json: { email, password: goodPassword },
      ...from('203.255.0.1'),
    });
  expectTooMany(await exceed(pair.points, attempt, 409), pair.seconds);
});

test('refreshes of one session are limited, and its owner goes on afterwards', async () => {
  const { pair } = attemptLimits.refresh;
  const person = await enter(service);
  let token = person.refreshToken;
  const attempt = async () => {
    const answer = await call(service, '/api/v1/auth/refresh', {
      json: { refresh_token: token },
      ...from('203.255.0.2'),
    });
    if (answer.status === 200) token = textMember(answer.body, 'refresh_token');
    return answer;
  };
  expectTooMany(await exceed(pair.points, attempt, 200), pair.seconds);
  const [row] = await service.sql`select ended_at from sessions where user_id = ${person.id}`;
  assert.equal(row?.ended_at, null);
});

test('the addresses of one IPv6 network of 64 bits count as one', async () => {
  const { pair } = attemptLimits['sign-in'];
  const { email } = await signUp(service);
  const spell = (index: number) =>
    index % 2 === 0 ? `2001:db8:1:2::${index.toString(16)}` : `2001:0DB8:0001:0002:${index}::1`;
  expectTooMany(await exceed(pair.points, (index) => signIn(email, spell(index))), pair.seconds);
  assert.equal((await signIn(email, '2001:db8:1:3::1')).status, 401, 'the next network');
});

test('an IPv4 address is the same when it comes wrapped in IPv6', async () => {
  const { pair } = attemptLimits['sign-in'];
  const { email } = await signUp(service);
  const address = newAddress();
  const spell = (index: number) => (index % 2 === 0 ? address : `::ffff:${address}`);
  expectTooMany(await exceed(pair.points, (index) => signIn(email, spell(index))), pair.seconds);
});

test('X-Forwarded-For of somebody who is no trusted proxy changes nothing', async () => {
  const { pair } = attemptLimits['sign-in'];
  const { email } = await signUp(untrusting);
  const attempt = () => signIn(email, newAddress(), 'Wrong-Password-1', untrusting);
  expectTooMany(await exceed(pair.points, attempt), pair.seconds);
});

test('X-Forwarded-For is walked from the right past trusted proxies, and no further', async () => {
  const { pair } = attemptLimits['sign-in'];
  const { email } = await signUp(service);
  const client = newAddress();
  // What stands on the left was written by the client itself.
  const attempt = () => signIn(email, `${newAddress()}, 10.9.9.9, ${client}, 10.1.2.3`);
  expectTooMany(await exceed(pair.points, attempt), pair.seconds);
  expectTooMany(await signIn(email, client), pair.seconds);
});

test('what stands in X-Forwarded-For need be no address to be counted', async () => {
  const { email } = await signUp(service);
  for (const nonsense of [
    '',
    ',',
    'unknown',
    '::::::',
    '1.2.3.4.5',
    'fe80::1%eth0',
    `${'9'.repeat(4_000)}`,
    "' or 1=1",
  ]) {
    assert.equal((await signIn(email, nonsense)).status, 401, nonsense);
  }
});

test("an overload that turns people away takes none of the owner's attempts", async () => {
  const { pair } = attemptLimits['sign-in'];
  const busy = await startTestService({
    environment: {
      ...environment,
      HASH_CONCURRENCY: '1',
      HASH_MAX_WAIT_MS: '0',
      ARGON2_MEMORY_KIB: '65536',
      DATABASE_POOL_SIZE: '10',
    },
  });
  const person = await enter(busy);
  const change = (address: string) =>
    call(busy, '/api/v1/access/password-update', {
      method: 'PATCH',
      json: { currentPassword: 'Wrong-Password-1', newPassword: 'Correct-Horse-8' },
      bearer: person.accessToken,
      headers: { 'x-forwarded-for': address },
    });
  const guess = (address: string) => signIn(person.email, address, 'Wrong-Password-1', busy);
  for (const attempt of [guess, change]) {
    const address = newAddress();
    const statuses: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      const answers = await Promise.all(Array.from({ length: pair.points - 3 }, () => attempt(address)));
      statuses.push(...answers.map(({ status }) => status));
    }
    assert.ok(statuses.filter((status) => status === 503).length >= pair.points, statuses.join());
    assert.ok(!statuses.includes(429), statuses.join());
  }
});
