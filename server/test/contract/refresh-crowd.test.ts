import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../support/expectations.ts';
import { call, enter, startTestService, textMember } from '../support/service.ts';

// Refreshes that arrive together are rotated together: what one of them is must not touch the others.
const service = await startTestService();
const crowd = 100;

const refresh = async (token: string) => {
  const { status, body } = await call(service, '/api/v1/auth/refresh', { json: { refresh_token: token } });
  return { status, successor: status === 200 ? textMember(body, 'refresh_token') : '' };
};

/** Signs one person in so many times. */
async function enterOften(count: number): Promise<{ id: string; tokens: string[]; sessionIds: string[] }> {
  const person = await enter(service);
  const tokens = [person.refreshToken];
  while (tokens.length < count) {
    const { body } = await call(service, '/api/v1/auth/login', {
      json: { email: person.email, password: person.password },
    });
    tokens.push(textMember(body, 'refresh_token'));
  }
  const rows = await service.sql<{ id: string }[]>`
    select id from sessions where user_id = ${person.id} order by id`;
  return { id: person.id, tokens, sessionIds: rows.map(({ id }) => id) };
}

test('each of a crowd gets a successor of its own that works', async () => {
  const { id, tokens } = await enterOften(crowd);
  const answers = await Promise.all(tokens.map(refresh));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  const successors = answers.map(({ successor }) => successor);
  assert.equal(new Set([...tokens, ...successors]).size, 2 * crowd);
  const again = await Promise.all(successors.map(refresh));
  assert.deepEqual(new Set(again.map(({ status }) => status)), new Set([200]));
  const rows = await service.sql`
    select generation, count(*)::int as count from sessions where user_id = ${id} group by generation`;
  assert.deepEqual([...rows], [{ generation: 3, count: crowd }]);
});

test('in a crowd, twins share a successor, the ended and the invented are refused, the others served', async () => {
  const { tokens, sessionIds } = await enterOften(20);
  const [first = '', second = ''] = tokens;
  const [, endedId = ''] = sessionIds;
  await service.sql`update sessions set ended_at = now(), ended_because = 'revoked' where id = ${endedId}`;
  const invented = `${first.slice(0, 40)}${second.slice(40)}`;
  const asked = [first, invented, ...tokens, first];
  const answers = await Promise.all(asked.map(refresh));
  const twins = answers.filter((_, index) => asked[index] === first);
  assert.equal(twins.length, 3);
  assert.equal(new Set(twins.map(({ successor }) => successor)).size, 1);
  assert.deepEqual(
    answers.map(({ status }) => status),
    asked.map((token) => (token === second || token === invented ? 401 : 200)),
  );
});

test('a session that a transaction holds keeps no other one waiting', async () => {
  const { tokens, sessionIds } = await enterOften(20);
  const [heldToken = '', ...others] = tokens;
  const [heldId = ''] = sessionIds;
  let isAnswered = false;
  const held = await service.sql.begin(async (tx) => {
    await tx`select from sessions where id = ${heldId} for update`;
    const answer = refresh(heldToken).finally(() => {
      isAnswered = true;
    });
    const answers = await Promise.all(others.map(refresh));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    await eventually(async () => {
      const waiting = await tx`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      return waiting.length > 0;
    });
    assert.equal(isAnswered, false);
    return { answer };
  });
  assert.equal((await held.answer).status, 200);
});
