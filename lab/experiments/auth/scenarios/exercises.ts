/** The list of 50 exercises. The experiment's is public, as in the study; our own server wants to know who asks. */
import { defineScenario } from '../../../src/scenarios/scenario.ts';
import { listLength } from '../exercises.ts';
import { readMember, type SignedInUser, signInUsers } from './users.ts';

export const scenario = defineScenario<SignedInUser[], SignedInUser>({
  name: 'exercises',
  description: `Asks for ${listLength} exercises.`,
  async setUp(context) {
    const users = await signInUsers(context, 1);
    const headers = { cookie: users[0]?.cookie ?? '' };
    const answer = await context
      .newClient()
      .send({ path: `/api/v1/exercises?page_size=${listLength}`, headers });
    const items = readMember(answer.json(), 'items');
    if (!Array.isArray(items) || items.length !== listLength)
      throw new Error(`it does not list ${listLength}`);
    return users;
  },
  async connect(_context, users) {
    const [user] = users;
    if (user === undefined) throw new Error('nobody is signed in');
    return user;
  },
  steps: [
    {
      name: 'exercises',
      request: ({ cookie }) => ({ path: `/api/v1/exercises?page_size=${listLength}`, headers: { cookie } }),
      // Parsing 20 kB for each answer would be the generator's work, not the server's.
      check: (answer) => (answer.text().length > 5000 ? undefined : 'is too short for a list'),
    },
  ],
});
