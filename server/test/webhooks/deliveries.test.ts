import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { openDeliveryBench, type Received, readState, startReceiver, until } from '../support/deliveries.ts';

const bench = await openDeliveryBench();
const { engine } = bench.startEngine();
const verifier = (secret: Buffer) => new Webhook(`whsec_${secret.toString('base64')}`);
const headersOf = ({ headers }: Received) => ({
  'webhook-id': String(headers['webhook-id']),
  'webhook-timestamp': String(headers['webhook-timestamp']),
  'webhook-signature': String(headers['webhook-signature']),
});

test('an event arrives as a POST with its payload byte for byte, and counts as delivered', async () => {
  const receiver = await startReceiver();
  const { id: organizationId } = await bench.addOrganization(`${receiver.url}?a=b%20c`);
  const payload = '{ "z": 1.0, "a" : 1e2, "text":"\\u00e9 \u00e9 \\/", "a": 12345678901234567890 }';
  const id = await bench.addEvent(organizationId, { type: 'order "placed" \u00e9', payload });
  engine.wake();
  await until('it is delivered', async () => (await readState(bench, id)).status === 'delivered');
  assert.equal(receiver.received.length, 1);
  const [{ method, path, headers, body } = assert.fail()] = receiver.received;
  assert.equal(method, 'POST');
  assert.equal(path, '/hook?a=b%20c');
  assert.ok(body.includes(`"payload":${payload},"created_at":"`), body);
  assert.deepEqual(Object.keys(JSON.parse(body)), ['event_id', 'event_type', 'payload', 'created_at']);
  assert.equal(JSON.parse(body).event_id, id);
  assert.equal(JSON.parse(body).event_type, 'order "placed" \u00e9');
  assert.equal(headers['content-type'], 'application/json');
  assert.equal(headers['webhook-id'], id);
  assert.equal(headers['x-event-id'], id);
  assert.equal(headers['x-event-type'], 'order "placed" %C3%A9');
  const { attempts, lastError, dueAt } = await readState(bench, id);
  assert.deepEqual({ attempts, lastError, dueAt }, { attempts: 1, lastError: null, dueAt: null });
});

test('the official library verifies the signature, and refuses a changed body or another secret', async () => {
  const receiver = await startReceiver();
  const { id: organizationId, secret } = await bench.addOrganization(receiver.url);
  await bench.addEvent(organizationId);
  engine.wake();
  await until('it arrives', () => receiver.received.length === 1);
  const [one = assert.fail()] = receiver.received;
  assert.deepEqual(verifier(secret).verify(one.body, headersOf(one)), JSON.parse(one.body));
  assert.throws(() => verifier(secret).verify(`${one.body} `, headersOf(one)));
  assert.throws(() => verifier(randomBytes(32)).verify(one.body, headersOf(one)));
});

test('while a secret is being replaced both the old and the new one verify', async () => {
  const receiver = await startReceiver();
  const previous = randomBytes(24);
  const { id: organizationId, secret } = await bench.addOrganization(receiver.url, previous);
  await bench.addEvent(organizationId);
  engine.wake();
  await until('it arrives', () => receiver.received.length === 1);
  const [one = assert.fail()] = receiver.received;
  for (const key of [secret, previous]) verifier(key).verify(one.body, headersOf(one));
  bench.sql`update organizations set previous_webhook_secret_until = now() where id = ${organizationId}`.execute();
  await bench.addEvent(organizationId);
  engine.wake();
  await until('the next arrives', () => receiver.received.length === 2);
  const [, later = assert.fail()] = receiver.received;
  verifier(secret).verify(later.body, headersOf(later));
  assert.throws(() => verifier(previous).verify(later.body, headersOf(later)));
});

test('a failed delivery comes back with the same webhook-id after its waits, and fails after the fifth retry', async () => {
  const receiver = await startReceiver((response) => response.writeHead(500).end('no'));
  const { id: organizationId, secret } = await bench.addOrganization(receiver.url);
  const id = await bench.addEvent(organizationId);
  engine.wake();
  for (const [index, seconds] of [30, 60, 300, 900, 3600].entries()) {
    await until('it was attempted', async () => (await readState(bench, id)).attempts === index + 1);
    const { status, dueAt, lastError } = await readState(bench, id);
    assert.equal(status, 'pending');
    assert.equal(lastError, 'The receiver answered 500.');
    const [row] = await bench.sql`select max(at) as at from delivery_attempts where event_id = ${id}`;
    const waited = ((dueAt?.getTime() ?? 0) - row?.at.getTime()) / 1000;
    assert.ok(waited >= seconds && waited < seconds + 1, `${waited} s`);
    bench.advance(seconds * 1000 - 1_000);
    engine.wake();
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(receiver.received.length, index + 1, 'not before its time');
    bench.advance(2_000);
    engine.wake();
  }
  await until('it has failed', async () => (await readState(bench, id)).status === 'failed');
  assert.equal((await readState(bench, id)).dueAt, null);
  assert.equal(receiver.received.length, 6);
  for (const one of receiver.received) {
    assert.equal(one.headers['webhook-id'], id);
    // The clock of the test is hours ahead of the library's; the signature is what counts here.
    const at = new Date(Number(one.headers['webhook-timestamp']) * 1000);
    assert.equal(verifier(secret).sign(id, at, one.body), one.headers['webhook-signature']);
  }
  const rows = await bench.sql`
    select number, status_code as status, error from delivery_attempts where event_id = ${id} order by at`;
  assert.deepEqual(
    rows.map(({ number, status, error }) => [number, status, error]),
    [1, 2, 3, 4, 5, 6].map((number) => [number, 500, 'The receiver answered 500.']),
  );
});

test('x-event-type decodes to the type, whatever that is', async () => {
  const receiver = await startReceiver();
  const { id: organizationId } = await bench.addOrganization(receiver.url);
  for (const type of ['50%off', '%41', '  a b ', '\r\nx: y', '\u{1f600}', ' ', 'order.created']) {
    const before = receiver.received.length;
    const id = await bench.addEvent(organizationId, { type });
    engine.wake();
    await until('it is delivered', async () => (await readState(bench, id)).status === 'delivered');
    const given = receiver.received[before]?.headers['x-event-type'];
    assert.equal(decodeURIComponent(String(given)), type);
  }
});
