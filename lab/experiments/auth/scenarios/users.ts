/** Users for the scenarios of the experiment; made through the calls that every step and our own server answer alike. */
import type { Answer, ScenarioContext } from '../../../src/scenarios/scenario.ts';

export interface SignedInUser {
  email: string;
  /** Sent with each request that is measured. */
  cookie: string;
}

/** Meets the rules for passwords; these accounts guard nothing. */
export const password = 'Correct-Horse-7';

/** Nobody of an earlier run has such an e-mail. */
export function newPrefix(): string {
  return `lab-${crypto.randomUUID()}`;
}

export function signUpBody(email: string): Readonly<Record<string, string>> {
  return { email, password, confirmPassword: password };
}

export async function signUp(context: ScenarioContext, email: string): Promise<void> {
  const answer = await context
    .newClient()
    .send({ method: 'POST', path: '/api/v1/access/signup', body: signUpBody(email) });
  expectStatus(answer, 201);
}

/** One after the other: the set-up is no load test. */
export async function signInUsers(context: ScenarioContext, count: number): Promise<SignedInUser[]> {
  const prefix = newPrefix();
  const users: SignedInUser[] = [];
  for (let index = 0; index < count; index += 1) {
    const email = `${prefix}-${index}@example.org`;
    await signUp(context, email);
    const client = context.newClient();
    const answer = await client.send({
      method: 'POST',
      path: '/api/v1/access/signin',
      body: { email, password },
    });
    expectStatus(answer, 204);
    users.push({ email, cookie: client.cookieHeader() });
  }
  return users;
}

/** A member of a JSON object, or undefined when there is no such thing. */
export function readMember(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function expectStatus(answer: Answer, status: number): void {
  if (answer.status === status) return;
  throw new Error(`expected ${status}, got ${answer.status}: ${answer.text().slice(0, 200)}`);
}
