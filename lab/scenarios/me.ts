/** The call that every page of an application makes first. Each connection is another user, signed in by cookie. */
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
  name: 'me',
  description: 'Asks who is signed in; each connection is another user.',
  setUp: async () => gatherCrowd('me'),
  connect: enterAsBrowser,
  renew: { everyS: 600, run: renewAsBrowser },
  steps: [
    {
      name: 'me',
      request: ({ cookie }) => ({ path: '/api/v1/access/me', headers: { cookie } }),
      // Somebody else's answer would be fast, and the worst of faults.
      check(answer, { account }) {
        const id = readMember(answer.json(), 'id');
        return id === account.userId ? undefined : `is for user ${String(id)}, not ${account.userId}`;
      },
    },
  ],
});
