/** The least an HTTP service can do: what remains is the cost of HTTP itself. */
import { defineScenario } from '../src/scenarios/scenario.ts';

export const scenario = defineScenario({
  name: 'ping',
  description: 'Asks whether the process answers.',
  steps: [
    {
      name: 'ping',
      request: { path: '/ping' },
      check: (answer) => (answer.text() === 'OK' ? undefined : 'is not OK'),
    },
  ],
});
