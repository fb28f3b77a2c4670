import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assertCookiesCleared,
  assertProblem,
  renewSigningKeys,
  setCookiesOf,
} from '../support/expectations.ts';
import {
  call,
  cookiesOf,
  enter,
  type SignedIn,
  signIn,
  startTestService,
  type TestService,
} from '../support/service.ts';

const minuteMs = 60_000;
const service = await startTestService();

const refresh = (token: string, at: TestService = service) =>
  call(at, '/api/v1/access/refresh-jwt', { method: 'POST', cookies: { refresh_token: token } });
const me = (accessToken: string, at: TestService = service) =>
  call(at, '/api/v1/access/me', { cookies: { access_token: accessToken } });
const logout = (cookies: Record<string, string>) =>
  call(service, '/api/v1/access/logout', { method: 'POST', cookies });

/** Refreshes and returns the successor. */
async function rotate(token: string, at: TestService = service): Promise<string> {
  const answer = await refresh(token, at);
  assert.equal(answer.status, 204, JSON.stringify(answer.body));
  return cookiesOf(answer).refresh_token ?? '';
}

async function assertSignedOut(person: SignedIn): Promise<void> {
  assertProblem(await me(person.accessToken), 401, 'not-authenticated');
  assertProblem(await refresh(person.refreshToken), 401, 'refresh-token-refused');
}

const countReuses = async (person: SignedIn) =>
  Number(
    (
      await service.sql`
        select count(*) from audit_entries where action = 'refresh.reused' and subject_id = ${person.id}`
    )[0]?.count,
  );

test('a refresh sets two new cookies like those of a sign-in', async () => {
  const person = await enter(service);
  const answer = await refresh(person.refreshToken);
  assert.equal(answer.status, 204);
  assert.equal(answer.body, '');
  const { access_token: access, refresh_token: next, ...others } = setCookiesOf(answer);
  assert.deepEqual(others, {});
  assert.deepEqual(access?.attributes, ['Path=/', 'HttpOnly', 'SameSite=Lax']);
  assert.deepEqual(next?.attributes, ['Path=/api/v1/access', 'HttpOnly', 'SameSite=Strict']);
  assert.notEqual(access.value, person.accessToken);
  assert.notEqual(next.value, person.refreshToken);
  assert.equal((await me(access.value)).status, 200);
});

test('a refresh without its cookie is refused, the access cookie notwithstanding', async () => {
  const { accessToken } = await enter(service);
  const requests = [{}, { cookies: { access_token: accessToken } }, { cookies: { refresh_token: '' } }];
  for (const request of requests) {
    const answer = await call(service, '/api/v1/access/refresh-jwt', { method: 'POST', ...request });
    assertProblem(answer, 401, 'refresh-token-refused');
    assert.deepEqual(answer.headers.getSetCookie(), []);
  }
});

test('a second use of a refresh token within ten seconds gets the same successor', async () => {
  const person = await enter(service);
  const first = await rotate(person.refreshToken);
  service.clock.advance(8_000);
  const second = await refresh(person.refreshToken);
  assert.equal(second.status, 204);
  assert.equal(cookiesOf(second).refresh_token, first);
  assert.equal((await me(cookiesOf(second).access_token ?? '')).status, 200);
  assert.equal(await countReuses(person), 0);
  await rotate(first);
});

test('a use of a refresh token after its grace ends the session and is recorded', async () => {
  const person = await enter(service);
  const successor = await rotate(person.refreshToken);
  service.clock.advance(10_001);
  const reused = await refresh(person.refreshToken);
  assertProblem(reused, 401, 'refresh-token-refused');
  assert.deepEqual(reused.headers.getSetCookie(), []);
  assertProblem(await refresh(successor), 401, 'refresh-token-refused');
  assertProblem(await me(person.accessToken), 401, 'not-authenticated');
  assert.equal(await countReuses(person), 1);
  assertProblem(await refresh(person.refreshToken), 401, 'refresh-token-refused');
  assert.equal(await countReuses(person), 1);
});

test('a refresh token from before the last rotation but one ends the session even within ten seconds', async () => {
  const person = await enter(service);
  const other = await signIn(service, person);
  const last = await rotate(await rotate(person.refreshToken));
  assertProblem(await refresh(person.refreshToken), 401, 'refresh-token-refused');
  assertProblem(await refresh(last), 401, 'refresh-token-refused');
  assert.equal(await countReuses(person), 1);
  assert.equal((await me(other.accessToken)).status, 200);
});

test('a refresh token that was tampered with ends nothing', async () => {
  const person = await enter(service);
  const successor = await rotate(person.refreshToken);
  service.clock.advance(11_000);
  for (const token of [person.refreshToken, successor]) {
    const other = token[40] === 'A' ? 'B' : 'A';
    const changed = `${token.slice(0, 40)}${other}${token.slice(41)}`;
    assertProblem(await refresh(changed), 401, 'refresh-token-refused');
  }
  assert.equal(await countReuses(person), 0);
  await rotate(successor);
});

test('an access token is good until it expires, and the session goes on after it', async () => {
  const person = await enter(service);
  const [issued] = await service.sql`select created_at as at from sessions where user_id = ${person.id}`;
  const until = Math.floor(Number(issued?.at) / 1000) * 1000 + 30 * minuteMs;
  service.clock.advance(until - 2_000 - service.clock.now().getTime());
  assert.equal((await me(person.accessToken)).status, 200);
  service.clock.advance(until - service.clock.now().getTime());
  assertProblem(await me(person.accessToken), 401, 'not-authenticated');
  const answer = await refresh(person.refreshToken);
  assert.equal(answer.status, 204);
  await renewSigningKeys(service);
  service.clock.advance(1_000);
  assert.equal((await me(cookiesOf(answer).access_token ?? '')).status, 200);
});

test('a session that is not refreshed ends at its idle end', async () => {
  const patient = await startTestService();
  const early = await enter(patient);
  const late = await signIn(patient, early);
  const [ends] = await patient.sql`
    select min(idle_ends_at) as first, max(idle_ends_at) as last from sessions`;
  patient.clock.advance(Number(ends?.first) - 2_000 - patient.clock.now().getTime());
  await rotate(early.refreshToken, patient);
  patient.clock.advance(Number(ends?.last) - patient.clock.now().getTime());
  assertProblem(await refresh(late.refreshToken, patient), 401, 'refresh-token-refused');
});

test('a session ends at its absolute end however often it is refreshed, with its access token', async () => {
  const environment = { SESSION_MAX_TTL: '40m', REFRESH_TOKEN_TTL: '30m' };
  const shortLived = await startTestService({ environment });
  const person = await enter(shortLived);
  const [ends] = await shortLived.sql`select absolute_ends_at as at from sessions`;
  shortLived.clock.advance(25 * minuteMs);
  const refreshed = await refresh(person.refreshToken, shortLived);
  const { access_token: access, refresh_token: successor } = setCookiesOf(refreshed);
  assert.ok((successor?.maxAgeSeconds ?? 0) <= 15 * 60, 'the cookie outlives the session');
  shortLived.clock.advance(Number(ends?.at) - 2_000 - shortLived.clock.now().getTime());
  assert.equal((await me(access?.value ?? '', shortLived)).status, 200);
  shortLived.clock.advance(Number(ends?.at) - shortLived.clock.now().getTime());
  assertProblem(await me(access?.value ?? '', shortLived), 401, 'not-authenticated');
  assertProblem(await refresh(successor?.value ?? '', shortLived), 401, 'refresh-token-refused');
});

test('a logout with both cookies ends the session at once, the access token that asked included', async () => {
  const person = await enter(service);
  const other = await signIn(service, person);
  assert.equal((await me(person.accessToken)).status, 200);
  const answer = await logout(person.cookies);
  assert.equal(answer.status, 204);
  assertCookiesCleared(answer);
  await assertSignedOut(person);
  assert.equal((await me(other.accessToken)).status, 200);
});

test('a logout needs only one of the two cookies', async () => {
  for (const cookie of ['access_token', 'refresh_token'] as const) {
    const person = await enter(service);
    const answer = await logout({ [cookie]: person.cookies[cookie] });
    assert.equal(answer.status, 204, cookie);
    assertCookiesCleared(answer);
    await assertSignedOut(person);
  }
});

test('a logout takes a good refresh cookie beside rubbish, and an access cookie that has expired', async () => {
  const first = await enter(service);
  const answer = await logout({ access_token: 'rubbish', refresh_token: first.refreshToken });
  assert.equal(answer.status, 204);
  await assertSignedOut(first);

  const second = await enter(service);
  service.clock.advance(31 * minuteMs);
  assertProblem(await me(second.accessToken), 401, 'not-authenticated');
  const late = await logout({ access_token: second.accessToken });
  assert.equal(late.status, 204);
  assertCookiesCleared(late);
  assertProblem(await refresh(second.refreshToken), 401, 'refresh-token-refused');
});

test('a logout with neither cookie is refused and clears the cookies all the same', async () => {
  const person = await enter(service);
  await logout(person.cookies);
  const forged = `${person.accessToken.slice(0, -4)}AAAA`;
  const jars: Record<string, string>[] = [{}, { access_token: forged, refresh_token: 'x' }, person.cookies];
  for (const cookies of jars) {
    const answer = await logout(cookies);
    assertProblem(answer, 401, 'not-authenticated');
    assertCookiesCleared(answer);
  }
});

test('a forged access cookie signs nobody out', async () => {
  const person = await enter(service);
  const [head, payload] = person.accessToken.split('.');
  const answer = await logout({ access_token: `${head}.${payload}.${'A'.repeat(86)}` });
  assertProblem(answer, 401, 'not-authenticated');
  assert.equal((await me(person.accessToken)).status, 200);
});
