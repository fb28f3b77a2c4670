/** New users: each request is a password hash, a row and an entry of the audit trail. Turn the limits off first. */
import { defineScenario } from '../src/scenarios/scenario.ts';
import { readMember } from './account.ts';

interface Register {
  prefix: string;
  /** Counts over all phases of a run; the number of the request begins anew with each. */
  count: number;
}

export const scenario = defineScenario<Register>({
  name: 'signup',
  description: 'Signs up a new user with each request.',
  setUp: async () => ({ prefix: `signup-${crypto.randomUUID()}`, count: 0 }),
  steps: [
    {
      name: 'signup',
      request(_session, _number, register) {
        register.count += 1;
        const email = `${register.prefix}-${register.count}@example.org`;
        const password = 'Correct-Horse-7';
        return {
          method: 'POST',
          path: '/api/v1/access/signup',
          body: { email, password, confirmPassword: password },
        };
      },
      expect: [201],
      check(answer, _session, { prefix }) {
        const email = readMember(answer.json(), 'email');
        return typeof email === 'string' && email.startsWith(prefix) ? undefined : 'is for another e-mail';
      },
    },
  ],
});
