import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeBase64url } from './base64url.ts';

test('reads back what base64url wrote', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const text = Buffer.from(bytes).toString('base64url');
      assert.deepEqual(decodeBase64url(text), Buffer.from(bytes));
    }),
  );
});

test('accepts one spelling of a value only', () => {
  for (const text of [
    'QQ==',
    'QQ=',
    ' QQ',
    'Q Q',
    'QQ\n',
    'QR',
    'Q',
    '-_8=',
    '+/8',
    'Q\0Q',
    'QQ.',
    '\u{1f511}',
  ]) {
    assert.equal(decodeBase64url(text), undefined, JSON.stringify(text));
  }
  assert.deepEqual(decodeBase64url('QQ'), Buffer.from('A'));
});
