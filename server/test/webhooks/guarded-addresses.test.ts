import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResolveHost } from '../../src/webhooks/host-names.ts';
import { openDeliveryBench, readState, startReceiver, until } from '../support/deliveries.ts';

const refused = 'The address leads to a private or local network.';
/** Public by its range, and nobody's: the network of the 6bone was given back. */
const publicAddress = '3ffe::1';

const bench = await openDeliveryBench();
/** What each name leads to, one answer a look-up; the last one stays. */
const answers = new Map<string, string[][]>();
const asked: string[] = [];
const resolve: ResolveHost = async (name) => {
  asked.push(name);
  const left = answers.get(name) ?? [];
  const [next = []] = left;
  if (left.length > 1) left.shift();
  return next;
};
const { engine } = bench.startEngine({ allowPrivate: false, resolve, timeoutMs: 400 });

async function attemptAt(url: string): Promise<string | null> {
  const { id: organizationId } = await bench.addOrganization(url);
  const id = await bench.addEvent(organizationId);
  engine.wake();
  await until('it was attempted', async () => (await readState(bench, id)).attempts === 1);
  return (await readState(bench, id)).lastError;
}

test('no spelling of a local address in a URL is connected to', async () => {
  const { port, received } = await startReceiver();
  const hosts = [
    '127.0.0.1',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    '127.1',
    '0',
    '[::1]',
    '[::ffff:127.0.0.1]',
  ];
  hosts.push('[::]', '[64:ff9b::7f00:1]', '169.254.169.254', '[fd00:ec2::254]', '10.1.2.3', '[fe80::1]');
  for (const host of hosts) assert.equal(await attemptAt(`http://${host}:${port}/`), refused, host);
  assert.equal(await attemptAt(`https://127.0.0.1:${port}/`), refused);
  assert.equal(received.length, 0);
  assert.deepEqual(asked, [], 'an address needs no look-up');
});

test('a name that leads to a private address is not connected to, by IPv4, IPv6 and mapped', async () => {
  const { port, received } = await startReceiver();
  for (const [index, address] of [
    '127.0.0.1',
    '::1',
    '::ffff:127.0.0.1',
    '10.0.0.1',
    '64:ff9b::7f00:1',
  ].entries()) {
    answers.set(`private-${index}.example`, [[address]]);
    assert.equal(await attemptAt(`http://private-${index}.example:${port}/`), refused, address);
    assert.equal(await attemptAt(`https://private-${index}.example:${port}/`), refused, address);
  }
  assert.equal(received.length, 0);
});

test('a name that is public at the first look-up and 127.0.0.1 at the second is not connected to', async () => {
  const { port, received } = await startReceiver();
  answers.set('rebinds.example', [[publicAddress], ['127.0.0.1']]);
  const { id: organizationId } = await bench.addOrganization(`http://rebinds.example:${port}/`);
  const id = await bench.addEvent(organizationId);
  engine.wake();
  await until('it was attempted', async () => (await readState(bench, id)).attempts === 1);
  const first = (await readState(bench, id)).lastError;
  assert.notEqual(first, refused, 'the first look-up leads to a public address, which is tried');
  bench.advance(31_000);
  engine.wake();
  await until('it was attempted again', async () => (await readState(bench, id)).attempts === 2);
  assert.equal((await readState(bench, id)).lastError, refused);
  assert.equal(
    asked.filter((name) => name === 'rebinds.example').length,
    2,
    'one look-up an attempt, and no other',
  );
  assert.equal(received.length, 0);
});

test('of several addresses only the public ones are tried', async () => {
  const { port, received } = await startReceiver();
  answers.set('mixed.example', [['127.0.0.1', publicAddress, '::1']]);
  assert.notEqual(await attemptAt(`http://mixed.example:${port}/`), refused);
  assert.equal(received.length, 0);
});

test('a name without an address is a failure', async () => {
  assert.equal(await attemptAt('http://nowhere.example/'), 'The host name has no address.');
});

test('with private addresses allowed the same receiver is reached, by its name too', async () => {
  const receiver = await startReceiver();
  const open = bench.startEngine({ allowPrivate: true, resolve: async () => ['127.0.0.1'] });
  await until('the guarded engine has nothing to do', () => engine.underWay === 0);
  await engine.close();
  const { id: organizationId } = await bench.addOrganization(`http://inside.example:${receiver.port}/`);
  const id = await bench.addEvent(organizationId);
  open.engine.wake();
  await until('it is delivered', async () => (await readState(bench, id)).status === 'delivered');
  assert.equal(receiver.received[0]?.headers.host, `inside.example:${receiver.port}`);
});
