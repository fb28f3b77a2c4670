import assert from 'node:assert/strict';
import { test } from 'node:test';
import { declareCacheTests, declareLevelTests } from './cache.conformance.ts';
import { createMemoryCache } from './memory-cache.ts';

declareLevelTests(
  () => createMemoryCache('test', 10),
  async () => undefined,
);
declareCacheTests((capacity) => createMemoryCache('test', capacity));

test('a cache has the name that metrics show', () => {
  assert.equal(createMemoryCache('session', 1).name, 'session');
});
