/** Sign-in: a password check and two signatures each. */
import { defineScenario } from '../../../src/scenarios/scenario.ts';
import { newPrefix, password, signUp } from './users.ts';

const userCount = 4;

export const scenario = defineScenario<string[]>({
  name: 'signin',
  description: `Signs ${userCount} users in, one after the other.`,
  async setUp(context) {
    const prefix = newPrefix();
    const emails = Array.from({ length: userCount }, (_, index) => `${prefix}-${index}@example.org`);
    for (const email of emails) await signUp(context, email);
    return emails;
  },
  steps: [
    {
      name: 'signin',
      request: (_session, number, emails) => ({
        method: 'POST',
        path: '/api/v1/access/signin',
        body: { email: emails[number % emails.length], password },
      }),
      expect: [204],
      check: (answer) =>
        /access_token=[\w-]+\./.test(answer.headers['set-cookie'] ?? '') ? undefined : 'sets no access token',
    },
  ],
});
