/** Events on their way in: each is answered after the commit that holds it, whatever else is posted meanwhile. */
import { defineScenario } from '../src/scenarios/scenario.ts';
import { readMember } from './account.ts';
import { eventRequest, makeOrganizations, nameRun } from './organization.ts';

export const scenario = defineScenario<string[]>({
  name: 'ingest',
  description: 'Posts an event of some 300 bytes with each request, for 40 organizations in turn.',
  setUp: async (context) => await makeOrganizations(context, nameRun('ingest')),
  steps: [
    {
      name: 'ingest',
      request: (_session, number, keys) => eventRequest(keys[number % keys.length], number),
      expect: [201],
      check: (answer) =>
        readMember(answer.json(), 'status') === 'pending' ? undefined : 'does not say that it is stored',
    },
  ],
});
