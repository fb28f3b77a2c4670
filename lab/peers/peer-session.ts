/** How each of the compared services wants to be asked the same three things: sign up, sign in, who is signed in. */
import { readMember } from '../scenarios/account.ts';
import type { Answer, RequestPlan, ScenarioContext } from '../src/scenarios/scenario.ts';

export interface Credentials {
  email: string;
  password: string;
}

export interface Dialect {
  signUp(user: Credentials): RequestPlan;
  signIn(user: Credentials): RequestPlan;
  /** Headers that show who is signed in, from the answer to a sign-in and the cookies that it set. */
  prove(answer: Answer, cookies: string): Readonly<Record<string, string>>;
  me: string;
  /** The e-mail in the answer to `me`. */
  readEmail(answer: unknown): unknown;
}

/** Meets everybody's rules for passwords; these accounts guard nothing. */
const password = 'Correct-Horse-7';

const bearer = (answer: Answer) => ({
  authorization: `Bearer ${String(readMember(answer.json(), 'access_token'))}`,
});

const post = (path: string, body: RequestPlan['body'], headers?: RequestPlan['headers']): RequestPlan => ({
  method: 'POST',
  path,
  ...(body === undefined ? {} : { body }),
  ...(headers === undefined ? {} : { headers }),
});

/** Tokens in JSON at the paths of a tutorial: what the Express and FastAPI services here have. */
const plain: Dialect = {
  signUp: (user) => post('/signup', { ...user, name: 'Peer' }),
  signIn: (user) => post('/signin', { ...user }),
  prove: bearer,
  me: '/me',
  readEmail: (answer) => readMember(answer, 'email'),
};

const irontrack: Dialect = {
  signUp: (user) => post('/api/v1/auth/register', { ...user, name: 'Peer' }),
  signIn: (user) => post('/api/v1/auth/login', { ...user }),
  prove: bearer,
  me: '/api/v1/access/me',
  readEmail: (answer) => readMember(answer, 'email'),
};

function betterAuth({ origin }: URL): Dialect {
  return {
    // It answers a browser only when the page is its own.
    signUp: (user) => post('/api/auth/sign-up/email', { ...user, name: 'Peer' }, { origin }),
    signIn: (user) => post('/api/auth/sign-in/email', { ...user }, { origin }),
    prove(_answer, cookie) {
      // Without it every request would ask the database: not what its guide recommends, and not what is said of it.
      if (!cookie.includes('session_data=')) throw new Error('better-auth gave no cookie cache.');
      return { cookie };
    },
    me: '/api/auth/get-session',
    readEmail: (answer) => readMember(readMember(answer, 'user'), 'email'),
  };
}

/** Asks the service which one it is; ours does not know the question. */
export async function findDialect(context: ScenarioContext): Promise<Dialect> {
  const answer = await context.newClient().send({ path: '/peer' });
  if (answer.status === 404) return irontrack;
  return answer.text() === 'better-auth' ? betterAuth(context.url) : plain;
}

/** Nobody of an earlier run has such an e-mail. */
export function newPerson(name: string): Credentials {
  return { email: `${name}-${crypto.randomUUID()}@example.org`, password };
}

/** Signs somebody up, before anything is measured. */
export async function join(context: ScenarioContext, dialect: Dialect, name: string): Promise<Credentials> {
  const person = newPerson(name);
  refuseFailure(await context.newClient().send(dialect.signUp(person)));
  return person;
}

/** Signs somebody up and in; returns the headers that show it. */
export async function enter(context: ScenarioContext, dialect: Dialect, name: string) {
  const person = await join(context, dialect, name);
  const client = context.newClient();
  const answer = refuseFailure(await client.send(dialect.signIn(person)));
  return { person, headers: dialect.prove(answer, client.cookieHeader()) };
}

function refuseFailure(answer: Answer): Answer {
  if (answer.status < 300) return answer;
  throw new Error(`Expected 2xx, got ${answer.status}: ${answer.text().slice(0, 200)}`);
}
