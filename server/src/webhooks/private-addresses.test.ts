import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isForbiddenAddress } from './private-addresses.ts';

const forbidden = {
  loopback: ['127.0.0.1', '127.255.255.254', '::1', '::', '0.0.0.0'],
  private: [
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    'fc00::1',
    'fd12:3456::1',
    '100.64.0.1',
  ],
  'link-local': ['169.254.0.1', 'fe80::1', 'fe80::1%eth0', 'febf::1', 'fec0::1'],
  metadata: ['169.254.169.254', 'fd00:ec2::254', '100.100.100.200', '168.63.129.16', '192.0.0.192'],
  'mapped IPv4': [
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:10.0.0.1',
    '::ffff:8.8.8.8',
    '0:0:0:0:0:ffff:a00:1',
  ],
  'compatible and translated IPv4': ['::127.0.0.1', '::ffff:0:127.0.0.1', '::8.8.8.8'],
  NAT64: [
    '64:ff9b::127.0.0.1',
    '64:ff9b::7f00:1',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b:1::1',
    '64:ff9b:0:0:0:1::1',
  ],
  '6to4 and Teredo': ['2002:7f00:1::', '2002:a00:1::1', '2002:808:808::1', '2001:0:53aa:64c::1'],
  'multicast, broadcast, reserved': [
    '224.0.0.1',
    '239.255.255.255',
    '255.255.255.255',
    '240.0.0.1',
    'ff02::1',
  ],
  documentation: ['192.0.2.1', '198.51.100.1', '203.0.113.1', '198.18.0.1', '2001:db8::1', '3fff::1'],
  'what is no address': ['', 'localhost', '127.1', '0x7f.1', '2130706433'],
} as const;

for (const [kind, addresses] of Object.entries(forbidden)) {
  test(`a webhook reaches no address that is ${kind}`, () => {
    for (const address of addresses) assert.equal(isForbiddenAddress(address), true, address);
  });
}

test('a webhook reaches public addresses, over NAT64 too', () => {
  const open = [
    '8.8.8.8',
    '1.1.1.1',
    '172.15.255.255',
    '172.32.0.1',
    '100.63.0.1',
    '169.253.0.1',
    '192.0.1.1',
  ];
  open.push(
    '2606:4700:4700::1111',
    '2a00:1450:4001::1',
    '64:ff9b::8.8.8.8',
    '223.255.255.255',
    '2001:4860:4860::8888',
  );
  for (const address of open) assert.equal(isForbiddenAddress(address), false, address);
});
