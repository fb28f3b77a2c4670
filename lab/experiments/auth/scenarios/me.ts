/** Who is signed in. Two users, so that an answer for the other one is seen. */
import { defineScenario } from '../../../src/scenarios/scenario.ts';
import { readMember, type SignedInUser, signInUsers } from './users.ts';

export const scenario = defineScenario<SignedInUser[], SignedInUser>({
  name: 'me',
  description: 'Asks who is signed in; the connections are of two users.',
  setUp: (context) => signInUsers(context, 2),
  async connect(_context, users, index) {
    const user = users[index % users.length];
    if (user === undefined) throw new Error('nobody is signed in');
    return user;
  },
  steps: [
    {
      name: 'me',
      request: ({ cookie }) => ({ path: '/api/v1/access/me', headers: { cookie } }),
      check(answer, { email }) {
        const found = readMember(answer.json(), 'email');
        return found === email ? undefined : `is for ${String(found)}, not ${email}`;
      },
    },
  ],
});
