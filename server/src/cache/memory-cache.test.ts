import assert from 'node:assert/strict';
import { test } from 'node:test';
import { declareCacheTests } from './cache.conformance.ts';
import { createMemoryCache } from './memory-cache.ts';

declareCacheTests((capacity) => createMemoryCache('test', capacity));

test('a cache has the name that metrics show', () => {
  assert.equal(createMemoryCache('session', 1).name, 'session');
});
