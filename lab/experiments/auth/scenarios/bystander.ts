/** Sign-ups among pings: what those wait who only wanted an answer while passwords are hashed. */
import { defineScenario } from '../../../src/scenarios/scenario.ts';
import { newPrefix, signUpBody } from './users.ts';

interface Register {
  prefix: string;
  count: number;
}

export const scenario = defineScenario<Register>({
  name: 'bystander',
  description: 'Pings, and one sign-up in forty requests.',
  setUp: async () => ({ prefix: newPrefix(), count: 0 }),
  steps: [
    {
      name: 'ping',
      weight: 39,
      request: { path: '/ping' },
      check: (answer) => (answer.text() === 'OK' ? undefined : 'is not OK'),
    },
    {
      name: 'signup',
      weight: 1,
      request(_session, _number, register) {
        register.count += 1;
        const body = signUpBody(`${register.prefix}-${register.count}@example.org`);
        return { method: 'POST', path: '/api/v1/access/signup', body };
      },
      expect: [201],
    },
  ],
});
