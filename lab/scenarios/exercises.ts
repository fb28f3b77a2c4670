/** The first page of the exercise catalog, as each visit to it begins. Each connection is another user; pages are kept. */
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
  name: 'exercises',
  description: 'Lists the first 50 exercises by name, for the user of each connection.',
  setUp: async () => gatherCrowd('exercises'),
  connect: enterAsBrowser,
  renew: { everyS: 600, run: renewAsBrowser },
  steps: [
    {
      name: 'exercises',
      request: ({ cookie }) => ({ path: '/api/v1/exercises?pageSize=50', headers: { cookie } }),
      check(answer) {
        const page = answer.json();
        const items = readMember(page, 'items');
        const length = Array.isArray(items) ? items.length : 0;
        const expected = Math.min(50, Number(readMember(page, 'total')));
        return length === expected && length > 0 ? undefined : `lists ${length} exercises`;
      },
    },
  ],
});
