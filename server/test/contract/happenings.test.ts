import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtInOrganizationId, happenings } from '@irontrack/contract/organizations.ts';
import { Webhook } from 'standardwebhooks';
import { startReceiver, until } from '../support/deliveries.ts';
import { callWithKey } from '../support/organizations.ts';
import {
  call,
  enter,
  enterAsSuperuser,
  member,
  newEmail,
  signIn,
  signUp,
  startTestService,
  textMember,
} from '../support/service.ts';

const service = await startTestService();
const superuser = await enterAsSuperuser(service);

interface Happening {
  id: string;
  type: string;
  payload: string;
}

/** What happened to somebody, oldest first. */
async function happeningsOf(subjectId: string): Promise<Happening[]> {
  return await service.sql<Happening[]>`
    select id, type, payload from events
    where organization_id = ${builtInOrganizationId} and payload::jsonb ->> 'subject_id' = ${subjectId}
    order by id`;
}

const typesOf = async (subjectId: string) => (await happeningsOf(subjectId)).map(({ type }) => type);

test('what happens to an account is an event each, in order', async () => {
  const person = await signUp(service);
  await signIn(service, person);
  const bearer = superuser.accessToken;
  const path = `/api/v1/roles/${encodeURIComponent(person.email)}/assign`;
  await call(service, path, { method: 'PATCH', bearer, json: { roleSlug: 'fitness-trainer' } });
  const second = await signIn(service, person);
  const sessions = await call(service, '/api/v1/sessions/me', { bearer: second.accessToken });
  const items = member(sessions.body, 'items');
  assert.ok(Array.isArray(items));
  const other = items.find((item) => member(item, 'current') === false);
  const ended = await call(service, `/api/v1/sessions/${member(other, 'id')}`, {
    method: 'DELETE',
    bearer: second.accessToken,
  });
  assert.equal(ended.status, 204);
  const gone = await call(service, `/api/v1/users/${person.id}`, { method: 'DELETE', bearer });
  assert.equal(gone.status, 204);
  assert.deepEqual(await typesOf(person.id), [
    'user.created',
    'user.signed_in',
    'role.changed',
    'user.signed_in',
    'session.revoked',
    'user.deleted',
  ]);
});

test('a spent refresh token that comes back is an event', async () => {
  const person = await enter(service);
  const refresh = (token: string) =>
    call(service, '/api/v1/auth/refresh', { json: { refresh_token: token } });
  const { body } = await refresh(person.refreshToken);
  assert.equal((await refresh(textMember(body, 'refresh_token'))).status, 200);
  assert.ok(!(await typesOf(person.id)).includes('refresh.reused'));
  service.clock.advance(11_000);
  assert.equal((await refresh(person.refreshToken)).status, 401);
  assert.ok((await typesOf(person.id)).includes('refresh.reused'));
});

test('an event is the audit entry of what happened, under the same id', async () => {
  const { id } = await signUp(service);
  const [event] = await happeningsOf(id);
  const [entry] = await service.sql`
    select id, action, details, ip_address as "ipAddress", request_id as "requestId" from audit_entries
    where subject_id = ${id}`;
  assert.equal(event?.id, entry?.id);
  const payload: unknown = JSON.parse(event?.payload ?? '');
  assert.deepEqual(Object.keys(Object(payload)).sort(), [
    'actor_id',
    'details',
    'ip_address',
    'request_id',
    'session_id',
    'subject_id',
    'user_agent',
  ]);
  assert.deepEqual(member(payload, 'details'), entry?.details);
  assert.equal(member(payload, 'request_id'), entry?.requestId);
});

test('what did not happen is no event', async () => {
  const email = newEmail();
  const before = await service.sql`select count(*) from events`;
  const wrong = await call(service, '/api/v1/auth/login', { json: { email, password: 'wrong' } });
  assert.equal(wrong.status, 401);
  const taken = { json: { email: superuser.email, password: superuser.password } };
  assert.equal((await call(service, '/api/v1/auth/register', taken)).status, 409);
  assert.deepEqual(await service.sql`select count(*) from events`, before);
});

test('an event is taken back with the transaction that it belongs to', async () => {
  const before = await service.sql`select count(*) from events`;
  const id = '01980000-0000-7000-8000-000000000001';
  await assert.rejects(
    service.sql.begin(async (tx) => {
      await tx`
        insert into audit_entries (id, at, action, details) values (${id}, now(), 'user.created', '{}')`;
      const [row] = await tx`select count(*)::int as count from events where id = ${id}`;
      assert.equal(row?.count, 1);
      throw new Error('Taken back.');
    }),
    /Taken back/,
  );
  assert.deepEqual(await service.sql`select count(*) from events`, before);
});

test('an event is due for delivery exactly when the organization has an address that works', async () => {
  const dueFor = async (subjectId: string) => {
    const [event] = await happeningsOf(subjectId);
    const rows = await service.sql`select 1 from deliveries where event_id = ${event?.id ?? ''}`;
    return rows.length;
  };
  const set = async (url: string, isDisabled: boolean) => {
    // With a secret, as every address has: a delivery that nothing could sign is taken out by whoever delivers.
    await service.sql`
      update organizations set webhook_url = ${url}, webhook_secret = ${url === '' ? null : Buffer.alloc(32, 1)},
        webhook_disabled_at = ${isDisabled ? new Date() : null}
      where id = ${builtInOrganizationId}`;
  };
  assert.equal(await dueFor((await signUp(service)).id), 0);
  // Nothing listens there, and nothing would be connected to in a test.
  await set('http://127.0.0.1:9/', true);
  assert.equal(await dueFor((await signUp(service)).id), 0);
  await set('http://127.0.0.1:9/', false);
  assert.equal(await dueFor((await signUp(service)).id), 1);
  await set('', false);
});

test('deliverers are told when a happening commits that has somewhere to go, and of no other', async () => {
  const news: string[] = [];
  const { unlisten } = await service.sql.listen('irontrack_changes', (payload) => news.push(payload));
  const address = async (url: string) => {
    await service.sql`update organizations set webhook_url = ${url} where id = ${builtInOrganizationId}`;
  };
  /** News come in order: once the last of two is there, nothing of the first is still under way. */
  const newsOf = async (work: () => Promise<unknown>) => {
    news.length = 0;
    await work();
    await service.sql`select pg_notify('irontrack_changes', 'the end')`;
    await until('the news are heard', () => news.includes('the end'));
    return news.filter((topic) => topic === 'deliveries').length;
  };
  assert.equal(await newsOf(() => signUp(service)), 0);
  await address('http://127.0.0.1:9/');
  assert.equal(await newsOf(() => signUp(service)), 1);
  const takenBack = service.sql.begin(async (tx) => {
    await tx`
      insert into audit_entries (id, at, action, details)
      values ('01980000-0000-7000-8000-000000000002', now(), 'user.created', '{}')`;
    throw new Error('Taken back.');
  });
  assert.equal(await newsOf(() => assert.rejects(takenBack, /Taken back/)), 0);
  await address('');
  await unlisten();
});

test('a superuser points a webhook at what happens, and gets it signed', async () => {
  const node = await startTestService({ environment: { WEBHOOK_ALLOW_PRIVATE: 'on' } });
  const { accessToken: bearer } = await enterAsSuperuser(node);
  const receiver = await startReceiver();
  const path = `/api/v1/organizations/${builtInOrganizationId}/keys`;
  const made = await call(node, path, { method: 'POST', bearer });
  const configured = await callWithKey(
    node,
    { apiKey: textMember(made.body, 'apiKey') },
    '/api/webhook/config',
    { json: { webhook_url: receiver.url } },
  );
  const person = await signUp(node);
  await until('it arrives', () => receiver.received.length === 1);
  const [received = assert.fail()] = receiver.received;
  const message = new Webhook(textMember(configured.body, 'secret')).verify(received.body, {
    'webhook-id': String(received.headers['webhook-id']),
    'webhook-timestamp': String(received.headers['webhook-timestamp']),
    'webhook-signature': String(received.headers['webhook-signature']),
  });
  assert.equal(member(message, 'event_type'), 'user.created');
  assert.equal(member(member(message, 'payload'), 'subject_id'), person.id);
});

test('the list of happenings is what the trigger publishes', async () => {
  const [trigger] = await service.sql<{ text: string }[]>`
    select pg_get_triggerdef(oid) as text from pg_trigger where tgname = 'audit_entries_publish'`;
  const named = [...(trigger?.text ?? '').matchAll(/'([a-z]+\.[a-z_]+)'/g)].map(([, action]) => action);
  assert.deepEqual(named.sort(), happenings.toSorted());
});
