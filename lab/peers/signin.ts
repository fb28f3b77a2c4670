/** Sign-in at any of the compared services: the users in turn. */
import { defineScenario } from '../src/scenarios/scenario.ts';
import { type Credentials, type Dialect, findDialect, join } from './peer-session.ts';

interface Crowd {
  dialect: Dialect;
  people: Credentials[];
}

/** Enough that hardly two sign-ins of one user run at once. */
const userCount = 8;

export const scenario = defineScenario<Crowd>({
  name: 'signin',
  description: `Signs ${userCount} users in, one after the other, at any of the compared services.`,
  async setUp(context) {
    const dialect = await findDialect(context);
    const people: Credentials[] = [];
    for (let index = 0; index < userCount; index += 1) people.push(await join(context, dialect, 'signin'));
    return { dialect, people };
  },
  steps: [
    {
      name: 'signin',
      request(_session, number, { dialect, people }) {
        return dialect.signIn(people[number % people.length] ?? { email: '', password: '' });
      },
    },
  ],
});
