/** Which addresses are loaded without --i-own-this-target. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { LabError } from '../exit-status.ts';
import { checkTargetAddress, isOwnNetwork, type LookUp } from './address-guard.ts';

const addresses: readonly [string, boolean][] = [
  ['127.0.0.1', true],
  ['127.255.255.254', true],
  ['::1', true],
  ['0.0.0.0', true],
  ['::', true],
  ['10.0.0.1', true],
  ['10.255.255.255', true],
  ['11.0.0.0', false],
  ['172.15.255.255', false],
  ['172.16.0.0', true],
  ['172.31.255.255', true],
  ['172.32.0.0', false],
  ['192.168.0.1', true],
  ['192.169.0.0', false],
  ['169.254.1.1', true],
  ['100.63.255.255', false],
  ['100.64.0.0', true],
  ['100.127.255.255', true],
  ['100.128.0.0', false],
  ['8.8.8.8', false],
  ['203.0.113.7', false],
  ['255.255.255.255', false],
  ['fe80::1', true],
  ['febf::1', true],
  ['fec0::1', false],
  ['fc00::1', true],
  ['fdff::1', true],
  ['fe00::1', false],
  ['2001:db8::1', false],
  ['::2', false],
  ['::ffff:127.0.0.1', true],
  ['::ffff:10.1.2.3', true],
  ['::ffff:c0a8:1', true],
  ['::ffff:8.8.8.8', false],
  ['64:ff9b::a00:1', false],
  ['no address', false],
];
for (const [address, isOwn] of addresses) {
  test(`${address} ${isOwn ? 'may be loaded' : 'is refused'}`, () => {
    assert.equal(isOwnNetwork(address), isOwn);
  });
}

function answering(...found: string[]): LookUp {
  return async () => found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
}

async function refusal(url: string, lookup?: LookUp): Promise<string> {
  const options = { iOwnThisTarget: false, ...(lookup && { lookup }) };
  try {
    return `allowed as ${await checkTargetAddress(new URL(url), options)}`;
  } catch (error) {
    assert.ok(error instanceof LabError);
    assert.equal(error.status, 1);
    return error.message;
  }
}

test('a host with one public address among private ones is refused', async () => {
  const sentence = await refusal('http://app.internal/', answering('10.0.0.5', '203.0.113.7'));
  assert.match(sentence, /^app\.internal \(203\.0\.113\.7\) is neither .* --i-own-this-target/);
});

test('an address spelt as a number is judged by what it means', async () => {
  assert.equal(await refusal('http://0x7f.1:9/'), 'allowed as 127.0.0.1');
  assert.match(await refusal('http://134744072/'), /^8\.8\.8\.8 is neither/);
  assert.match(await refusal('http://[::ffff:8.8.8.8]/'), /is neither/);
});

test('who owns the target may load it', async () => {
  const url = new URL('http://app.example:9/');
  assert.equal(
    await checkTargetAddress(url, { iOwnThisTarget: true, lookup: answering('203.0.113.7') }),
    '203.0.113.7',
  );
});

test('a host that cannot be found is said so in one sentence, whoever owns it', async () => {
  const missing: LookUp = async () => {
    throw Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' });
  };
  assert.match(
    await refusal('http://nowhere.invalid/', missing),
    /^The host nowhere\.invalid cannot be found \(ENOTFOUND\)/,
  );
  await assert.rejects(
    checkTargetAddress(new URL('http://nowhere.invalid/'), { iOwnThisTarget: true, lookup: missing }),
    LabError,
  );
  assert.match(await refusal('http://empty.example/', answering()), /cannot be found;/);
});

test('a Unix socket is always on this machine', async () => {
  const options = { iOwnThisTarget: false, socketPath: '/run/app.sock' };
  assert.equal(await checkTargetAddress(new URL('http://example.org/'), options), '/run/app.sock');
});

test('of several addresses the one that listens is taken', async () => {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  assert.ok(typeof bound === 'object' && bound !== null);
  const url = new URL(`http://app.internal:${bound.port}/`);
  const lookup = answering('127.0.0.9', '::1', '127.0.0.1');
  assert.equal(await checkTargetAddress(url, { iOwnThisTarget: false, lookup }), '127.0.0.1');
  server.close();
  await once(server, 'close');
  assert.equal(await checkTargetAddress(url, { iOwnThisTarget: false, lookup }), '127.0.0.9');
});
