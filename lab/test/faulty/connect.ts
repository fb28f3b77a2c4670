/** A scenario that throws when a connection is made ready. */
import { defineScenario } from '../../src/scenarios/scenario.ts';

export const scenario = defineScenario({
  name: 'faulty',
  async connect() {
    throw new Error('the dog ate it');
  },
  steps: [{ name: 'ping', request: { path: '/' } }],
});
