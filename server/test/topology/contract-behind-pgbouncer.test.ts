/**
 * A part of the contract once more: each of these files starts its service behind a PgBouncer. All of it, which takes
 * minutes: TEST_TOPOLOGY=pgbouncer npm test -- 'server/test/contract/*.test.ts'
 */
import { test } from 'node:test';
import { missingPrograms } from './programs.ts';

const skip = missingPrograms({ pgbouncer: 'pgbouncer' });
process.env.TEST_TOPOLOGY = 'pgbouncer';

if (skip === false) {
  await import('../contract/token-flow.test.ts');
  await import('../contract/roles.test.ts');
  await import('../contract/exercises.test.ts');
  await import('../contract/exercise-cache.test.ts');
  await import('../contract/events.test.ts');
  await import('../contract/inbox.test.ts');
} else {
  test('the contract holds behind a PgBouncer', { skip }, () => undefined);
}
