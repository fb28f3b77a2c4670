import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, enter, startTestService, type TestService, textMember } from '../support/service.ts';

const first = await startTestService();
const second = await startTestService({ beside: first });
const uses = 200;

const refresh = (service: TestService, token: string) =>
  call(service, '/api/v1/auth/refresh', { json: { refresh_token: token } });

const layouts: readonly [string, readonly TestService[]][] = [
  ['on one node', [first]],
  ['over two nodes', [first, second]],
];

for (const [where, nodes] of layouts) {
  test(`${uses} parallel uses of a refresh token ${where} have one successor`, async () => {
    const { refreshToken, id } = await enter(first);
    const answers = await Promise.all(
      Array.from({ length: uses }, (_, index) => refresh(nodes[index % nodes.length] ?? first, refreshToken)),
    );
    assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([200]));
    const successors = new Set(answers.map((answer) => textMember(answer.body, 'refresh_token')));
    assert.equal(successors.size, 1);
    const [successor = ''] = successors;
    assert.notEqual(successor, refreshToken);
    const rows = await first.sql`select generation, ended_at from sessions where user_id = ${id}`;
    assert.equal(rows.length, 1);
    assert.equal(rows[0]?.ended_at, null);
    assert.equal((await refresh(first, successor)).status, 200);
  });

  test(`${uses} parallel uses ${where} of a token that was replaced long ago end the session once`, async () => {
    const { refreshToken, accessToken, id } = await enter(first);
    const rotated = await refresh(first, refreshToken);
    for (const node of [first, second]) node.clock.advance(11_000);
    const answers = await Promise.all(
      Array.from({ length: uses }, (_, index) => refresh(nodes[index % nodes.length] ?? first, refreshToken)),
    );
    assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([401]));
    const successor = textMember(rotated.body, 'refresh_token');
    assert.equal((await refresh(first, successor)).status, 401);
    assert.equal((await call(first, '/api/v1/access/me', { bearer: accessToken })).status, 401);
    const entries = await first.sql`
      select 1 from audit_entries where action = 'refresh.reused' and subject_id = ${id}`;
    assert.equal(entries.length, 1);
  });
}
