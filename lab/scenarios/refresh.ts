/** Rotation of refresh tokens: each is good once, so every request needs what the answer before it gave. */
import { defineScenario } from '../src/scenarios/scenario.ts';
import {
  type Crowd,
  enterAsProgram,
  gatherCrowd,
  keepTokens,
  mendSession,
  refreshRequest,
  type TokenSession,
} from './account.ts';

export const scenario = defineScenario<Crowd, TokenSession>({
  name: 'refresh',
  description: 'Each connection refreshes its own session, again and again.',
  setUp: async () => gatherCrowd('refresh'),
  connect: enterAsProgram,
  renew: { everyS: 2, run: mendSession },
  steps: [
    {
      name: 'refresh',
      request: refreshRequest,
      check: keepTokens,
    },
  ],
});
