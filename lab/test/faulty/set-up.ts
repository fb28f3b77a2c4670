/** A scenario whose set-up throws. */
import { defineScenario } from '../../src/scenarios/scenario.ts';

export const scenario = defineScenario({
  name: 'faulty',
  async setUp() {
    throw new Error('the dog ate it');
  },
  steps: [{ name: 'ping', request: { path: '/' } }],
});
