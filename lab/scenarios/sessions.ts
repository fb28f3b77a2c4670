/** The list of a user's own sessions: one row, always from the database. */
import { defineScenario } from '../src/scenarios/scenario.ts';
import {
  type BrowserSession,
  type Crowd,
  enterAsBrowser,
  gatherCrowd,
  readMember,
  renewAsBrowser,
} from './account.ts';

export const scenario = defineScenario<Crowd, BrowserSession>({
  name: 'sessions',
  description: 'Lists the sessions of the user of each connection.',
  setUp: async () => gatherCrowd('sessions'),
  connect: enterAsBrowser,
  renew: { everyS: 600, run: renewAsBrowser },
  steps: [
    {
      name: 'sessions',
      request: ({ cookie }) => ({ path: '/api/v1/sessions/me', headers: { cookie } }),
      check(answer) {
        const items = readMember(answer.json(), 'items');
        const length = Array.isArray(items) ? items.length : 0;
        return length === 1 ? undefined : `lists ${length} sessions, not the one there is`;
      },
    },
  ],
});
