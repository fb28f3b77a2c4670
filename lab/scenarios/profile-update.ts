/** A small write that is confirmed by the database before it is answered. */
import { defineScenario } from '../src/scenarios/scenario.ts';
import {
  type BrowserSession,
  type Crowd,
  enterAsBrowser,
  gatherCrowd,
  readMember,
  renewAsBrowser,
} from './account.ts';

interface Editor extends BrowserSession {
  /** The name that was asked for last; one connection has one request under way. */
  name: string;
}

export const scenario = defineScenario<Crowd, Editor>({
  name: 'profile-update',
  description: 'Changes the name of the user of each connection.',
  setUp: async () => gatherCrowd('profile-update'),
  connect: async (context, crowd, index) => ({ ...(await enterAsBrowser(context, crowd, index)), name: '' }),
  renew: { everyS: 600, run: renewAsBrowser },
  steps: [
    {
      name: 'profile-update',
      request(session, number) {
        session.name = `Athlete number ${number}`;
        return {
          method: 'PATCH',
          path: '/api/v1/users/me',
          headers: { cookie: session.cookie },
          body: { name: session.name },
        };
      },
      check(answer, session) {
        const name = readMember(answer.json(), 'name');
        return name === session.name ? undefined : `has the name ${String(name)}, not ${session.name}`;
      },
    },
  ],
});
