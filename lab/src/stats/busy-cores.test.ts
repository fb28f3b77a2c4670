import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findIdleShare } from './busy-cores.ts';

test('a service whose core had room was not at its limit', () => {
  assert.equal(findIdleShare([{ cores: [0.8, 1] }, { cores: [0.9, 1] }], [0])?.toFixed(2), '0.85');
  assert.equal(findIdleShare([{ cores: [0.97, 0.2] }], [0]), undefined);
});

test('without readings or cores of its own nothing is said', () => {
  assert.equal(findIdleShare([], [0]), undefined);
  assert.equal(findIdleShare([{ cores: [0.1, 0.1] }], []), undefined);
});
