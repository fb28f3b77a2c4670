/** What the clients of one account know, and what must hold of it whatever they do in whatever order. */
import assert from 'node:assert/strict';
import { parseRefreshToken } from '../../src/crypto/refresh-token.ts';
import {
  type Answer,
  call,
  type Person,
  type SignedIn,
  type TestService,
  textMember,
} from '../support/service.ts';

export const actionKinds = [
  'sign in',
  'refresh',
  'refresh with any token',
  'log out',
  'log out with refresh token',
  'revoke',
  'revoke others',
  'change password',
  'deactivate',
  'activate',
] as const;

export interface Action {
  kind: (typeof actionKinds)[number];
  /** 0 or 1. */
  node: number;
  /** Which of the known sessions, and which of its tokens; taken modulo their number. */
  session: number;
  other: number;
}

interface KnownSession {
  id: string;
  accessTokens: string[];
  /** By generation; more than one of a generation would be two live successors. */
  refreshTokens: Map<number, Set<string>>;
}

export interface World {
  nodes: readonly [TestService, TestService];
  person: Person;
  superuser: SignedIn;
  sessions: Map<string, KnownSession>;
  /** Sessions whose end was answered, or seen in the database. */
  dead: Set<string>;
}

const propagationMs = 3_000;

export async function act(world: World, action: Action): Promise<void> {
  const node = action.node === 0 ? world.nodes[0] : world.nodes[1];
  await actions[action.kind](world, node, action);
}

type Perform = (world: World, node: TestService, action: Action) => Promise<void>;

const actions: Readonly<Record<Action['kind'], Perform>> = {
  'sign in': async (world, node) => {
    const { email, password } = world.person;
    const answer = await call(node, '/api/v1/auth/login', { json: { email, password } });
    expectOneOf(answer, 200, 401);
    learn(world, answer);
  },
  refresh: async (world, node, { session }) => {
    const token = pick(
      [...(pick([...world.sessions.values()], session)?.refreshTokens.values() ?? [])].at(-1),
    );
    await refresh(world, node, token);
  },
  'refresh with any token': async (world, node, { session, other }) => {
    const known = pick([...world.sessions.values()], session);
    await refresh(
      world,
      node,
      pick(
        [...(known?.refreshTokens.values() ?? [])].flatMap((set) => [...set]),
        other,
      ),
    );
  },
  'log out': async (world, node, { session }) => {
    const known = pick([...world.sessions.values()], session);
    const bearer = known?.accessTokens.at(-1);
    if (known === undefined || bearer === undefined) return;
    const answer = await call(node, '/api/v1/auth/logout', { method: 'POST', bearer });
    expectOneOf(answer, 204, 401);
    if (answer.status === 204) await buryAtOnce(world, node, [known.id]);
  },
  'log out with refresh token': async (world, node, { session }) => {
    const known = pick([...world.sessions.values()], session);
    const token = pick([...(known?.refreshTokens.values() ?? [])].at(-1));
    if (known === undefined || token === undefined) return;
    const cookies = { refresh_token: token };
    const answer = await call(node, '/api/v1/access/logout', { method: 'POST', cookies });
    expectOneOf(answer, 204, 401);
    if (answer.status === 204) await buryAtOnce(world, node, [known.id]);
  },
  revoke: async (world, node, { session, other }) => {
    const known = [...world.sessions.values()];
    const bearer = pick(known, session)?.accessTokens.at(-1);
    const target = pick(known, other);
    if (bearer === undefined || target === undefined) return;
    const answer = await call(node, `/api/v1/sessions/${target.id}`, { method: 'DELETE', bearer });
    expectOneOf(answer, 204, 401, 404);
    if (answer.status === 204) await buryAtOnce(world, node, [target.id]);
  },
  'revoke others': async (world, node, { session }) => {
    const known = pick([...world.sessions.values()], session);
    const bearer = known?.accessTokens.at(-1);
    if (known === undefined || bearer === undefined) return;
    const others = [...world.sessions.keys()].filter((id) => id !== known.id);
    const answer = await call(node, '/api/v1/sessions/me', { method: 'DELETE', bearer });
    expectOneOf(answer, 204, 401);
    if (answer.status === 204) await buryAtOnce(world, node, others);
  },
  'change password': async (world, node, { session }) => {
    const bearer = pick([...world.sessions.values()], session)?.accessTokens.at(-1);
    if (bearer === undefined) return;
    const before = [...world.sessions.keys()];
    const currentPassword = world.person.password;
    const newPassword = `Correct-Horse-${Math.random()}`;
    const json = { currentPassword, newPassword };
    const answer = await call(node, '/api/v1/access/password-update', { method: 'PATCH', bearer, json });
    expectOneOf(answer, 204, 401);
    if (answer.status !== 204) return;
    assert.equal(world.person.password, currentPassword, 'two changes of one password both succeeded');
    world.person.password = newPassword;
    await buryAtOnce(world, node, before);
  },
  deactivate: async (world, node) => {
    const before = [...world.sessions.keys()];
    await setActivity(world, node, false);
    await buryAtOnce(world, node, before);
  },
  activate: (world, node) => setActivity(world, node, true),
};

async function setActivity(world: World, node: TestService, isActive: boolean): Promise<void> {
  const answer = await call(node, `/api/v1/users/${world.person.id}`, {
    method: 'PATCH',
    bearer: world.superuser.accessToken,
    json: { isActive },
  });
  expectOneOf(answer, 200);
}

async function refresh(world: World, node: TestService, token: string | undefined): Promise<void> {
  if (token === undefined) return;
  const wasDead = world.dead.has(sessionOf(token).id);
  const answer = await call(node, '/api/v1/auth/refresh', { json: { refresh_token: token } });
  expectOneOf(answer, 200, 401);
  assert.ok(!(wasDead && answer.status === 200), 'a dead session was refreshed');
  learn(world, answer);
}

/** Keeps the tokens of a 2xx. */
function learn(world: World, answer: Answer): void {
  if (answer.status !== 200) return;
  const token = textMember(answer.body, 'refresh_token');
  const { id, generation } = sessionOf(token);
  const known: KnownSession = world.sessions.get(id) ?? { id, accessTokens: [], refreshTokens: new Map() };
  world.sessions.set(id, known);
  known.accessTokens.push(textMember(answer.body, 'access_token'));
  const siblings: Set<string> = known.refreshTokens.get(generation) ?? new Set();
  known.refreshTokens.set(generation, siblings.add(token));
}

/** The end of these sessions was just answered by that node: it must know at once, the database everywhere. */
async function buryAtOnce(world: World, node: TestService, ids: readonly string[]): Promise<void> {
  for (const id of ids) world.dead.add(id);
  for (const id of ids) {
    const known = world.sessions.get(id);
    for (const bearer of known?.accessTokens.slice(-2) ?? []) {
      const answer = await call(node, '/api/v1/access/me', { bearer });
      assert.equal(answer.status, 401, 'a dead session answered on the node that ended it');
    }
    for (const each of world.nodes) await refresh(world, each, newestToken(known));
  }
}

/** What must hold when nothing is under way. */
export async function checkInvariants(world: World): Promise<void> {
  const [first] = world.nodes;
  const rows = await first.sql<{ id: string }[]>`
    select id from sessions where user_id = ${world.person.id} and ended_at is not null`;
  const ended = new Set(rows.map((row) => row.id));
  for (const id of world.dead)
    assert.ok(ended.has(id), 'a session whose end was answered lives in the database');
  for (const id of ended) world.dead.add(id);
  for (const { id, accessTokens, refreshTokens } of world.sessions.values()) {
    for (const [generation, tokens] of refreshTokens) {
      assert.equal(tokens.size, 1, `session ${id} has ${tokens.size} tokens of generation ${generation}`);
    }
    if (!world.dead.has(id)) continue;
    for (const node of world.nodes) for (const bearer of accessTokens) await becomesRefused(node, bearer);
  }
}

async function becomesRefused(node: TestService, bearer: string): Promise<void> {
  const deadline = performance.now() + propagationMs;
  while ((await call(node, '/api/v1/access/me', { bearer })).status !== 401) {
    assert.ok(performance.now() < deadline, 'a dead session still answers on the other node');
  }
}

export function newestToken(known: KnownSession | undefined): string | undefined {
  const generations = [...(known?.refreshTokens.keys() ?? [])];
  return pick(known?.refreshTokens.get(Math.max(...generations)));
}

function sessionOf(token: string): { id: string; generation: number } {
  const parsed = parseRefreshToken(token);
  assert.ok(parsed !== undefined);
  return { id: parsed.sessionId, generation: parsed.generation };
}

function expectOneOf(answer: Answer, ...statuses: number[]): void {
  assert.ok(statuses.includes(answer.status), `${answer.status}: ${JSON.stringify(answer.body)}`);
}

function pick<Item>(items: Iterable<Item> | undefined, index = 0): Item | undefined {
  const list = [...(items ?? [])];
  return list[index % Math.max(1, list.length)];
}
