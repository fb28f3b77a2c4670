/** A day in the life of the service: mostly reads, some refreshes and writes, now and then a sign-in. */
import { defineScenario } from '../src/scenarios/scenario.ts';
import {
  type Account,
  bearer,
  type Crowd,
  enterAsProgram,
  gatherCrowd,
  joinCrowd,
  keepTokens,
  mendSession,
  readMember,
  refreshRequest,
  type TokenSession,
} from './account.ts';

interface City {
  /** One for each connection. */
  residents: Crowd;
  /** Only sign in, so that nobody's list of sessions grows while it is measured. */
  visitors: Account[];
  /** The number of the request would not do: one in fifty signs in, so each fiftieth number may be the same visitor. */
  visits: number;
}

const visitorCount = 20;

export const scenario = defineScenario<City, TokenSession>({
  name: 'mixed',
  description: 'Out of 100 requests: 80 me, 10 sessions, 5 refreshes, 3 changes of the profile, 2 sign-ins.',
  async setUp(context) {
    const crowd = gatherCrowd('mixed-visitor');
    const visitors: Account[] = [];
    for (let index = 0; index < visitorCount; index += 1)
      visitors.push(await joinCrowd(context, crowd, index));
    return { residents: gatherCrowd('mixed'), visitors, visits: 0 };
  },
  connect: (context, { residents }, index) => enterAsProgram(context, residents, index),
  renew: { everyS: 2, run: mendSession },
  steps: [
    {
      name: 'me',
      weight: 80,
      request: (session) => ({ path: '/api/v1/access/me', headers: bearer(session) }),
      check: (answer, { account }) =>
        readMember(answer.json(), 'id') === account.userId ? undefined : 'is for another user',
    },
    {
      name: 'sessions',
      weight: 10,
      request: (session) => ({ path: '/api/v1/sessions/me', headers: bearer(session) }),
      check: (answer) =>
        Array.isArray(readMember(answer.json(), 'items')) ? undefined : 'lists no sessions',
    },
    {
      name: 'refresh',
      weight: 5,
      request: refreshRequest,
      check: keepTokens,
    },
    {
      name: 'profile-update',
      weight: 3,
      request: (session, number) => ({
        method: 'PATCH',
        path: '/api/v1/users/me',
        headers: bearer(session),
        body: { name: `Athlete number ${number}` },
      }),
      check: (answer, { account }) =>
        readMember(answer.json(), 'id') === account.userId ? undefined : 'is for another user',
    },
    {
      name: 'signin',
      weight: 2,
      request(_session, _number, city) {
        const visitor = city.visitors[city.visits % city.visitors.length];
        city.visits += 1;
        return {
          method: 'POST',
          path: '/api/v1/auth/login',
          body: { email: visitor?.email, password: visitor?.password },
        };
      },
      check: (answer) =>
        typeof readMember(answer.json(), 'access_token') === 'string' ? undefined : 'holds no access token',
    },
  ],
});
