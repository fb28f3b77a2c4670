/** A round trip to the database and the cache for each request. */
import { defineScenario } from '../src/scenarios/scenario.ts';
import { readMember } from './account.ts';

export const scenario = defineScenario({
  name: 'health',
  description: 'Asks whether database and cache answer.',
  steps: [
    {
      name: 'health',
      request: { path: '/health' },
      check(answer) {
        const health = answer.json();
        if (readMember(health, 'database_status') !== 'online') return 'says the database is offline';
        return readMember(health, 'cache_status') === 'online' ? undefined : 'says the cache is offline';
      },
    },
  ],
});
