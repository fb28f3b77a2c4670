/** Sign-up: a password hash and a row each. */
import { defineScenario } from '../../../src/scenarios/scenario.ts';
import { newPrefix, readMember, signUpBody } from './users.ts';

interface Register {
  prefix: string;
  /** Counts over all phases of a run; the number of the request begins anew with each. */
  count: number;
}

export const scenario = defineScenario<Register>({
  name: 'signup',
  description: 'Signs up a new user with each request.',
  setUp: async () => ({ prefix: newPrefix(), count: 0 }),
  steps: [
    {
      name: 'signup',
      request(_session, _number, register) {
        register.count += 1;
        const body = signUpBody(`${register.prefix}-${register.count}@example.org`);
        return { method: 'POST', path: '/api/v1/access/signup', body };
      },
      expect: [201],
      check(answer, _session, { prefix }) {
        const email = readMember(answer.json(), 'email');
        return typeof email === 'string' && email.startsWith(prefix) ? undefined : 'is for another e-mail';
      },
    },
  ],
});
