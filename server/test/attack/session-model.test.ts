import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { call, enterAsSuperuser, signUp, startTestService, type TestService } from '../support/service.ts';
import { type Action, act, actionKinds, checkInvariants, newestToken, type World } from './session-model.ts';

// The clock is moved ahead all the time; access tokens must not end because of that.
const environment = { ACCESS_TOKEN_TTL: '1d' };
const first = await startTestService({ environment });
const second = await startTestService({ beside: first, environment });
const superuser = await enterAsSuperuser(first);

const longestMs = 12_000;
const leastRuns = 5;

const action: fc.Arbitrary<Action> = fc.record({
  // Without enough sign-ins and refreshes there would be nothing to end.
  kind: fc.constantFrom(...actionKinds, 'sign in', 'sign in', 'refresh', 'refresh', 'refresh'),
  node: fc.nat({ max: 1 }),
  session: fc.nat({ max: 50 }),
  other: fc.nat({ max: 50 }),
});
/** What is done at the same time; before it, perhaps, longer than the grace of a refresh token. */
const round = fc.record({ parallel: fc.array(action, { minLength: 1, maxLength: 6 }), pause: fc.boolean() });
const story = fc.array(round, { minLength: 3, maxLength: 10 });

const layouts: readonly [string, readonly [TestService, TestService]][] = [
  ['on one node', [first, first]],
  ['over two nodes', [first, second]],
];

for (const [where, nodes] of layouts) {
  test(`any interleaving ${where} leaves one live successor at most, and no dead session comes back`, async () => {
    let runs = 0;
    const property = fc.asyncProperty(story, async (rounds) => {
      runs += 1;
      const world: World = {
        nodes,
        person: await signUp(first),
        superuser,
        sessions: new Map(),
        dead: new Set(),
      };
      await act(world, { kind: 'sign in', node: 0, session: 0, other: 0 });
      for (const { parallel, pause } of rounds) {
        if (pause) advance(11_000);
        const outcomes = await Promise.allSettled(parallel.map((one) => act(world, one)));
        for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
        await checkInvariants(world);
      }
      await settle(world);
    });
    // Prints seed and path of a failure, with which it can be repeated.
    await fc.assert(property, { numRuns: 1_000, interruptAfterTimeLimit: longestMs, endOnFailure: true });
    assert.ok(runs >= leastRuns, `only ${runs} runs`);
  });
}

/** At the end the newest token of every live session is good, and no other token of any session is. */
async function settle(world: World): Promise<void> {
  await act(world, { kind: 'activate', node: 0, session: 0, other: 0 });
  advance(11_000);
  const [node] = world.nodes;
  for (const [id, known] of world.sessions) {
    const newest = newestToken(known);
    const answer = await call(node, '/api/v1/auth/refresh', { json: { refresh_token: newest } });
    assert.equal(answer.status, world.dead.has(id) ? 401 : 200, 'the newest token of a session');
  }
  advance(11_000);
  for (const { refreshTokens } of world.sessions.values()) {
    for (const tokens of refreshTokens.values()) {
      for (const token of tokens) {
        const answer = await call(node, '/api/v1/auth/refresh', { json: { refresh_token: token } });
        assert.equal(answer.status, 401, 'a token that was replaced');
      }
    }
  }
}

/** Both nodes have the same time. */
function advance(milliseconds: number): void {
  for (const node of [first, second]) node.clock.advance(milliseconds);
}
