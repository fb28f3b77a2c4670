/** Accounts of the IronTrack service for the examples: sign up once, sign in for each connection, renew, sign out. */
import type { Answer, RequestPlan, ScenarioContext, UntimedClient } from '../src/scenarios/scenario.ts';

export interface Account {
  userId: string;
  email: string;
  password: string;
}

/** Signed in as a browser: the tokens are cookies. */
export interface BrowserSession {
  account: Account;
  client: UntimedClient;
  /** Sent with each request that is measured. */
  cookie: string;
}

/** Signed in as a program: the tokens are JSON. */
export interface TokenSession {
  account: Account;
  client: UntimedClient;
  accessToken: string;
  /** Good once; each refresh gives the next. */
  refreshToken: string;
  /** A refresh was sent and its answer not seen: the token may be spent. */
  isRefreshing: boolean;
  enteredAtMs: number;
}

/** The accounts of one run by the index of their connection, so that its second phase needs no second sign-up. */
export interface Crowd {
  /** Nobody of an earlier run has such an e-mail. The service keeps its users: load one that you can throw away. */
  prefix: string;
  accounts: Map<number, Account>;
}

/** Meets the rules for passwords; these accounts guard nothing. */
const password = 'Correct-Horse-7';

export function gatherCrowd(name: string): Crowd {
  return { prefix: `${name}-${crypto.randomUUID()}`, accounts: new Map() };
}

/** Signs somebody up, or gives who was already. */
export async function joinCrowd(context: ScenarioContext, crowd: Crowd, index: number): Promise<Account> {
  const known = crowd.accounts.get(index);
  if (known !== undefined) return known;
  const email = `${crowd.prefix}-${index}@example.org`;
  const answer = await context.newClient().send({
    method: 'POST',
    path: '/api/v1/auth/register',
    body: { email, password, name: `Athlete ${index}` },
  });
  const account = { userId: readText(expect(answer, 201), 'id'), email, password };
  crowd.accounts.set(index, account);
  return account;
}

/** A new session, and the only one of its account: a list of sessions is as long in the last run as in the first. */
export async function enterAsBrowser(
  context: ScenarioContext,
  crowd: Crowd,
  index: number,
): Promise<BrowserSession> {
  const account = await joinCrowd(context, crowd, index);
  const client = context.newClient();
  const body = { email: account.email, password };
  expect(await client.send({ method: 'POST', path: '/api/v1/access/signin', body }), 204);
  expect(await client.send({ method: 'DELETE', path: '/api/v1/sessions/me' }), 204);
  return { account, client, cookie: client.cookieHeader() };
}

/** The access token is good for 30 minutes unless the service is told otherwise. */
export async function renewAsBrowser(session: BrowserSession): Promise<void> {
  expect(await session.client.send({ method: 'POST', path: '/api/v1/access/refresh-jwt' }), 204);
  session.cookie = session.client.cookieHeader();
}

/** As `enterAsBrowser`, with the tokens in JSON. */
export async function enterAsProgram(
  context: ScenarioContext,
  crowd: Crowd,
  index: number,
): Promise<TokenSession> {
  const account = await joinCrowd(context, crowd, index);
  const client = context.newClient();
  const tokens = { accessToken: '', refreshToken: '', isRefreshing: false, enteredAtMs: 0 };
  const session = { account, client, ...tokens };
  await enterAnew(session);
  return session;
}

async function enterAnew(session: TokenSession): Promise<void> {
  const { account, client } = session;
  const body = { email: account.email, password };
  const tokens = expect(await client.send({ method: 'POST', path: '/api/v1/auth/login', body }), 200);
  const fault = keepTokens(tokens, session);
  if (fault !== undefined) throw new Error(fault);
  session.enteredAtMs = Date.now();
  expect(await client.send({ method: 'DELETE', path: '/api/v1/sessions/me', headers: bearer(session) }), 204);
}

/**
 * Between requests, every few seconds. The answer to a refresh may have been lost, to a time limit or the end of a
 * phase. The service gives the same answer again for ten seconds only; later it takes the token for stolen, and each
 * request of the connection would fail.
 */
export async function mendSession(session: TokenSession): Promise<void> {
  if (session.isRefreshing || Date.now() - session.enteredAtMs > renewAfterMs) await enterAnew(session);
}

/** A third of what an access token is good for unless the service is told otherwise. */
const renewAfterMs = 600_000;

export function refreshRequest(session: TokenSession): RequestPlan {
  session.isRefreshing = true;
  return { method: 'POST', path: '/api/v1/auth/refresh', body: { refresh_token: session.refreshToken } };
}

/** Keeps both tokens of an answer; returns what is wrong with it, or nothing. */
export function keepTokens(answer: Answer, session: TokenSession): string | undefined {
  const tokens = answer.json();
  const accessToken = readMember(tokens, 'access_token');
  const refreshToken = readMember(tokens, 'refresh_token');
  if (typeof accessToken !== 'string' || typeof refreshToken !== 'string') return 'holds no pair of tokens';
  if (refreshToken === session.refreshToken) return 'gave the same refresh token again';
  session.accessToken = accessToken;
  session.refreshToken = refreshToken;
  session.isRefreshing = false;
  return undefined;
}

export function bearer(session: TokenSession): Readonly<Record<string, string>> {
  return { authorization: `Bearer ${session.accessToken}` };
}

/** A member of a JSON object, or undefined when there is no such thing. */
export function readMember(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

/** @throws Error when the answer has no such text */
export function readText(answer: Answer, name: string): string {
  const value = readMember(answer.json(), name);
  if (typeof value !== 'string')
    throw new Error(`The answer holds no ${name}: ${answer.text().slice(0, 200)}`);
  return value;
}

/** @throws Error when the answer has another status */
export function expect(answer: Answer, status: number): Answer {
  if (answer.status === status) return answer;
  throw new Error(`Expected ${status}, got ${answer.status}: ${answer.text().slice(0, 200)}`);
}
