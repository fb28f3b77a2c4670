import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRequestId } from './request-id.ts';
import { readAddress } from './request-source.ts';

test('an address has one spelling, without the port that some proxies add', () => {
  const spellings: Readonly<Record<string, string | null>> = {
    '192.0.2.7': '192.0.2.7',
    '192.0.2.7:5678': '192.0.2.7',
    '::ffff:192.0.2.7': '192.0.2.7',
    '::FFFF:c000:207': '192.0.2.7',
    '2001:DB8::1': '2001:db8::1',
    '[2001:db8::1]:443': '2001:db8::1',
    'fe80::1%eth0': 'fe80::1%eth0',
    unknown: null,
    '1.2.3': null,
    '': null,
  };
  for (const [given, expected] of Object.entries(spellings))
    assert.equal(readAddress(given), expected, given);
  assert.equal(readAddress(undefined), null);
});

test('no client can pass for the command line or the service in the audit trail', () => {
  assert.equal(isRequestId('command-line'), false);
  assert.equal(isRequestId('service'), false);
  assert.equal(isRequestId('command-line-2'), true);
});
