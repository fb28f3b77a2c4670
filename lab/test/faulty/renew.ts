/** A scenario that throws when it renews. */
import { defineScenario } from '../../src/scenarios/scenario.ts';

export const scenario = defineScenario({
  name: 'faulty',
  renew: {
    everyS: 0.1,
    async run() {
      throw new Error('the dog ate it');
    },
  },
  steps: [{ name: 'ping', request: { path: '/' } }],
});
