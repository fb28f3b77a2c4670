/** Sign-up at any of the compared services: each request is another user. */
import { defineScenario } from '../src/scenarios/scenario.ts';
import { type Dialect, findDialect, newPerson } from './peer-session.ts';

export const scenario = defineScenario<Dialect>({
  name: 'signup',
  description: 'Signs up a new user with each request, at any of the compared services.',
  setUp: findDialect,
  steps: [{ name: 'signup', request: (_session, _number, dialect) => dialect.signUp(newPerson('signup')) }],
});
