/** The largest answer of the service, without the database. */
import { defineScenario } from '../src/scenarios/scenario.ts';

export const scenario = defineScenario({
  name: 'openapi',
  description: 'Fetches the OpenAPI document.',
  steps: [
    {
      name: 'openapi',
      request: { path: '/api/v1/openapi.json' },
      // Parsing the whole of it would cost the generator more than the server needs to send it.
      check(answer) {
        const text = answer.text();
        return text.startsWith('{"openapi":"3.1') && text.endsWith('}')
          ? undefined
          : 'is no OpenAPI 3.1 document';
      },
    },
  ],
});
