/** A scenario that throws when it makes a request. */
import { defineScenario } from '../../src/scenarios/scenario.ts';

export const scenario = defineScenario({
  name: 'faulty',
  steps: [
    {
      name: 'ping',
      request: () => {
        throw new Error('the dog ate it');
      },
    },
  ],
});
