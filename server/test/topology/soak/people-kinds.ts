/** What people ask during a soak: one row a kind, one request a turn. */
import { type Answer, type Client, fieldsOf } from './clients.ts';
import { createPick, type Kind } from './kind.ts';
import {
  bearer,
  credentialsOf,
  fromOwnPage,
  type People,
  type Person,
  password,
  readSession,
  type Session,
  sendSignIn,
  takeTokens,
} from './people.ts';

/** A revoked session is refused by the other node within 100 ms; ten times that is no matter of timing. */
const endedForMs = 1_000;
const endedKept = 50;

const lists: readonly string[] = [
  '/api/v1/exercises',
  '/api/v1/exercises?scope=system&pageSize=50',
  '/api/v1/exercises?searchString=press',
  '/api/v1/exercises?category=strength&difficultyLevel=beginner',
  '/api/v1/exercises?orderBy=createdAt&sortOrder=desc',
  '/api/v1/exercises?scope=user',
];

interface Needs {
  people: People;
  clients: readonly Client[];
  /** Of a muscle group, for exercises that people make. */
  muscleId: number;
  /** Between 0 and 1. */
  random: () => number;
  now: () => number;
}

export function createPeopleKinds({ people, clients, muscleId, random, now }: Needs): readonly Kind[] {
  const exercises: { id: string; session: Session }[] = [];
  const pick = createPick(random);
  let serial = 0;

  /** Some session of browsers or of programs that is not about to end. */
  function pickSession(isBrowser?: boolean): Session | undefined {
    const start = Math.floor(random() * people.sessions.length);
    for (let step = 0; step < people.sessions.length; step += 1) {
      const session = people.sessions[(start + step) % people.sessions.length];
      if (isBrowser === undefined || session?.isBrowser === isBrowser) return session;
    }
    return undefined;
  }

  /** With a session that is not ended meanwhile. */
  async function using(session: Session, send: () => Promise<Answer>): Promise<Answer> {
    session.uses += 1;
    try {
      return await send();
    } finally {
      session.uses -= 1;
    }
  }

  const askAs = (
    session: Session | undefined,
    path: string,
    sent: { method?: string; json?: unknown } = {},
  ) =>
    session &&
    using(session, () => session.person.client.send(path, { ...sent, headers: credentialsOf(session) }));

  async function list(session: Session): Promise<Answer> {
    const path = pick(lists) ?? '';
    const etag = random() < 0.5 ? session.etags.get(path) : undefined;
    const answer = await session.person.client.send(path, {
      headers: { ...credentialsOf(session), ...(etag === undefined ? {} : { 'if-none-match': etag }) },
    });
    if (answer.headers.etag !== undefined) session.etags.set(path, answer.headers.etag);
    return answer;
  }

  async function signIn(person: Person, isBrowser: boolean): Promise<Answer> {
    const answer = await sendSignIn(person, isBrowser);
    if (answer.status === (isBrowser ? 204 : 200))
      people.sessions.push(readSession(person, isBrowser, answer));
    return answer;
  }

  /** The one that was refreshed longest ago, as a client does before its access token expires. */
  function refresh(isBrowser: boolean): Promise<Answer> | undefined {
    const index = people.sessions.findIndex(
      (session) => session.isBrowser === isBrowser && !session.isRefreshing,
    );
    const [session] = index < 0 ? [] : people.sessions.splice(index, 1);
    if (session === undefined) return undefined;
    people.sessions.push(session);
    session.isRefreshing = true;
    const { client } = session.person;
    return using(session, async () => {
      try {
        const answer = isBrowser
          ? await client.send('/api/v1/access/refresh-jwt', {
              method: 'POST',
              headers: { ...fromOwnPage, cookie: session.refreshCookie },
            })
          : await client.send('/api/v1/auth/refresh', { json: { refresh_token: session.refreshToken } });
        if (answer.status === (isBrowser ? 204 : 200)) takeTokens(session, answer);
        return answer;
      } finally {
        session.isRefreshing = false;
      }
    });
  }

  async function signOut(session: Session): Promise<Answer> {
    session.hasEnded = true;
    const path = session.isBrowser ? '/api/v1/access/logout' : '/api/v1/auth/logout';
    const headers = credentialsOf(session);
    const answer = await session.person.client.send(path, { method: 'POST', headers });
    if (answer.status === 204) {
      people.ended.push({ accessToken: session.accessToken, atMs: now() });
      if (people.ended.length > endedKept) people.ended.shift();
    }
    return answer;
  }

  async function signUp(): Promise<Answer> {
    serial += 1;
    const email = `later-${serial}@example.org`;
    const client = pick(clients);
    if (client === undefined) throw new Error('There are no clients.');
    const json = { email, password };
    const answer = await (serial % 2 === 0
      ? client.send('/api/v1/auth/register', { json })
      : client.send('/api/v1/access/signup', {
          json: { ...json, confirmPassword: password },
          headers: fromOwnPage,
        }));
    if (answer.status === 201) people.signedUp.push(email);
    return answer;
  }

  async function makeExercise(session: Session): Promise<Answer> {
    serial += 1;
    const json = {
      name: `Soaked ${serial}`,
      primaryMuscles: [muscleId],
      difficultyLevel: 'beginner',
      category: 'strength',
    };
    const headers = credentialsOf(session);
    const answer = await session.person.client.send('/api/v1/exercises/user', { json, headers });
    if (answer.status === 201) exercises.push({ id: fieldsOf(answer.text, 'id').id, session });
    return answer;
  }

  function deleteExercise(): Promise<Answer> | undefined {
    const index = exercises.findIndex(({ session }) => !session.hasEnded);
    const [oldest] = exercises.splice(0, index + 1).slice(-1);
    if (index < 0 || oldest === undefined) return undefined;
    return askAs(oldest.session, `/api/v1/exercises/${oldest.id}`, { method: 'DELETE' });
  }

  function askAfterEnd(): Promise<Answer> | undefined {
    const over = people.ended.filter(({ atMs }) => now() - atMs > endedForMs);
    const one = pick(over);
    // Whatever node answers this address.
    return one && pick(clients)?.send('/api/v1/access/me', { headers: bearer(one.accessToken) });
  }

  const me = '/api/v1/access/me';
  let turns = 0;
  const isBrowsersTurn = () => {
    turns += 1;
    return turns % 2 === 0;
  };

  return [
    { name: '/me by cookie', perSecond: 90, expected: [200], ask: () => askAs(pickSession(true), me) },
    { name: '/me by bearer', perSecond: 80, expected: [200], ask: () => askAs(pickSession(false), me) },
    {
      name: '/me after sign-out',
      perSecond: 2,
      expected: [401],
      ask: askAfterEnd,
    },
    { name: 'ping', perSecond: 25, expected: [200], ask: () => pick(clients)?.send('/ping') },
    {
      name: 'ping, a handshake each',
      perSecond: 1,
      expected: [200],
      ask: () => pick(clients)?.send('/ping', { isAlone: true }),
    },
    {
      name: 'list of exercises',
      perSecond: 36,
      expected: [200, 304],
      ask() {
        const session = pickSession();
        return session && using(session, () => list(session));
      },
    },
    {
      name: 'own exercise made',
      perSecond: 0.2,
      expected: [201],
      ask() {
        const session = pickSession();
        return session && using(session, () => makeExercise(session));
      },
    },
    { name: 'own exercise deleted', perSecond: 0.2, expected: [204], ask: deleteExercise },
    {
      name: 'name changed',
      perSecond: 0.5,
      expected: [200],
      ask: () =>
        askAs(pickSession(), '/api/v1/users/me', {
          method: 'PATCH',
          json: { name: `Name ${now().toFixed()}` },
        }),
    },
    {
      name: 'list of sessions',
      perSecond: 1,
      expected: [200],
      ask: () => askAs(pickSession(), '/api/v1/sessions/me'),
    },
    {
      name: 'sign-in',
      perSecond: 1,
      expected: [200, 204],
      ask() {
        const person = pick(people.all);
        return person && signIn(person, isBrowsersTurn());
      },
    },
    {
      name: 'sign-out',
      perSecond: 1,
      expected: [204],
      ask() {
        const index = people.sessions.findIndex(({ uses }) => uses === 0);
        const [session] = index < 0 ? [] : people.sessions.splice(index, 1);
        return session && signOut(session);
      },
    },
    { name: 'sign-up', perSecond: 0.1, expected: [201], ask: signUp },
    { name: 'refresh by cookie', perSecond: 1.5, expected: [204], ask: () => refresh(true) },
    { name: 'refresh by token', perSecond: 1.5, expected: [200], ask: () => refresh(false) },
  ];
}
