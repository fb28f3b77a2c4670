/** A scenario whose tear-down throws. */
import { defineScenario } from '../../src/scenarios/scenario.ts';

export const scenario = defineScenario({
  name: 'faulty',
  async tearDown() {
    throw new Error('the dog ate it');
  },
  steps: [{ name: 'ping', request: { path: '/' } }],
});
