/** Who is signed in, at any of the compared services. The connections share some users: signing up costs seconds. */
import { defineScenario } from '../src/scenarios/scenario.ts';
import { type Dialect, enter, findDialect } from './peer-session.ts';

interface Entered {
  email: string;
  headers: Readonly<Record<string, string>>;
}

interface Crowd {
  dialect: Dialect;
  people: Entered[];
}

const userCount = 4;

export const scenario = defineScenario<Crowd, Entered>({
  name: 'me',
  description: `Asks who is signed in, ${userCount} users over all connections, at any of the compared services.`,
  async setUp(context) {
    const dialect = await findDialect(context);
    const people: Entered[] = [];
    for (let index = 0; index < userCount; index += 1) {
      const { person, headers } = await enter(context, dialect, 'me');
      people.push({ email: person.email, headers });
    }
    return { dialect, people };
  },
  async connect(_context, { people }, index) {
    const entered = people[index % people.length];
    if (entered === undefined) throw new Error('Nobody is signed in.');
    return entered;
  },
  steps: [
    {
      name: 'me',
      request: ({ headers }, _number, { dialect }) => ({ path: dialect.me, headers }),
      check(answer, { email }, { dialect }) {
        const given = dialect.readEmail(answer.json());
        return given === email ? undefined : `is for ${String(given)}, not ${email}`;
      },
    },
  ],
});
