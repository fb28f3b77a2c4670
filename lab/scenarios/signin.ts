/** Sign-in: the password hash is nearly all of it, on purpose. Turn the limits off first. */
import { defineScenario } from '../src/scenarios/scenario.ts';
import { type Account, gatherCrowd, joinCrowd } from './account.ts';

/** Enough that hardly two sign-ins of one user run at once. */
const userCount = 50;

export const scenario = defineScenario<Account[]>({
  name: 'signin',
  description: `Signs ${userCount} users in, one after the other.`,
  async setUp(context) {
    const crowd = gatherCrowd('signin');
    const accounts: Account[] = [];
    for (let index = 0; index < userCount; index += 1) {
      accounts.push(await joinCrowd(context, crowd, index));
    }
    return accounts;
  },
  steps: [
    {
      name: 'signin',
      request(_session, number, accounts) {
        const account = accounts[number % accounts.length];
        return {
          method: 'POST',
          path: '/api/v1/access/signin',
          body: { email: account?.email, password: account?.password },
        };
      },
      expect: [204],
      check: (answer) =>
        /access_token=[\w-]+\./.test(answer.headers['set-cookie'] ?? '') ? undefined : 'sets no access token',
    },
  ],
});
