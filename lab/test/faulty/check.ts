/** A scenario that throws when it checks an answer. */
import { defineScenario } from '../../src/scenarios/scenario.ts';

export const scenario = defineScenario({
  name: 'faulty',
  steps: [
    {
      name: 'ping',
      request: { path: '/' },
      check: () => {
        throw new Error('the dog ate it');
      },
    },
  ],
});
