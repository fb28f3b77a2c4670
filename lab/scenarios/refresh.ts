/** Rotation of refresh tokens: each is good once, so every request needs what the answer before it gave. */
import { defineScenario } from '../src/scenarios/scenario.ts';
import { type Crowd, enterAsProgram, gatherCrowd, keepTokens, type TokenSession } from './account.ts';

export const scenario = defineScenario<Crowd, TokenSession>({
  name: 'refresh',
  description: 'Each connection refreshes its own session, again and again.',
  setUp: async () => gatherCrowd('refresh'),
  connect: enterAsProgram,
  steps: [
    {
      name: 'refresh',
      request: ({ refreshToken }) => ({
        method: 'POST',
        path: '/api/v1/auth/refresh',
        body: { refresh_token: refreshToken },
      }),
      check: keepTokens,
    },
  ],
});
