import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../support/expectations.ts';
import { type Answer, call, enter, enterAsSuperuser, startTestService } from '../support/service.ts';

const service = await startTestService();
const superuser = await enterAsSuperuser(service);
const person = await enter(service);

/** What the service's connections run now and have to wait for a lock with. */
async function waitingStatements(): Promise<string[]> {
  const rows = await service.sql`
    select query from pg_stat_activity
    where datname = current_database() and application_name = 'irontrack' and wait_event_type = 'Lock'`;
  return rows.map((row) => String(row.query));
}

/** Sends a request that changes a row which somebody else holds. @returns its answer and the statement that waited */
async function watch(send: () => Promise<Answer>): Promise<{ answer: Answer; statement: string }> {
  let statements: string[] = [];
  const sent = await service.sql.begin(async (tx) => {
    await tx`select id from users where id = ${person.id} for update`;
    const answer = send();
    await eventually(async () => {
      statements = await waitingStatements();
      return statements.length > 0;
    });
    return { answer };
  });
  assert.equal(statements.length, 1);
  return { answer: await sent.answer, statement: statements[0] ?? '' };
}

const changeName = (requestId: string) => () =>
  call(service, '/api/v1/users/me', {
    method: 'PATCH',
    bearer: person.accessToken,
    headers: { 'x-request-id': requestId },
    json: { name: requestId.slice(0, 20) },
  });

test('whoever looks at the running statements sees the id of the request that each belongs to', async () => {
  const { answer, statement } = await watch(changeName('checkout-4711.a:b_c'));
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('x-request-id'), 'checkout-4711.a:b_c');
  assert.match(statement, /update users set name/);
  assert.ok(statement.endsWith("/* request_id='checkout-4711.a:b_c' */"), statement);
});

test("a superuser's statement carries the id of the superuser's request", async () => {
  const path = `/api/v1/roles/${person.email}/assign`;
  const { answer, statement } = await watch(() =>
    call(service, path, {
      method: 'PATCH',
      bearer: superuser.accessToken,
      headers: { 'x-request-id': 'assign-1' },
      json: { roleSlug: 'fitness-trainer' },
    }),
  );
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.match(statement, /for update/);
  assert.ok(statement.endsWith("/* request_id='assign-1' */"), statement);
});

test('without an id of its own a request is found by the one that its answer names', async () => {
  const send = () =>
    call(service, '/api/v1/users/me', {
      method: 'PATCH',
      bearer: person.accessToken,
      json: { name: 'Ada' },
    });
  const { answer, statement } = await watch(send);
  assert.ok(statement.endsWith(`/* request_id='${answer.headers.get('x-request-id')}' */`), statement);
});

for (const hostile of [
  '*/ drop table users --',
  "x' */; drop table users; --",
  'a*/b',
  'a/*b',
  "a'b",
  'a\\b',
  '$1',
  'a b',
  'x'.repeat(129),
]) {
  test(`the request id ${JSON.stringify(hostile.slice(0, 30))} is replaced before it gets near SQL`, async () => {
    const { answer, statement } = await watch(changeName(hostile));
    assert.equal(answer.status, 200);
    const made = answer.headers.get('x-request-id') ?? '';
    assert.match(made, /^[a-z0-9-]{10,40}$/);
    assert.ok(statement.endsWith(`/* request_id='${made}' */`), statement);
    assert.equal(statement.split('/*').length, 2, 'one comment');
    assert.equal(statement.split('*/').length, 2, 'one end of a comment');
    const kept = await service.sql`select id from audit_entries where request_id = ${hostile}`;
    assert.equal(kept.length, 0);
    const recorded = await service.sql`select id from audit_entries where request_id = ${made}`;
    assert.equal(recorded.length, 1);
  });
}
