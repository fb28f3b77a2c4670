/** Who is there during a soak: people with sessions as browsers and programs have them, and two organizations. */
import { type Answer, type Client, fieldsOf } from './clients.ts';

export const password = 'Correct-Horse-7';

export interface Person {
  email: string;
  client: Client;
}

export interface Session {
  person: Person;
  /** A browser keeps its tokens in cookies, a program sends them itself. */
  isBrowser: boolean;
  accessToken: string;
  refreshToken: string;
  /** The header of a browser, everywhere and where refresh tokens go. */
  cookie: string;
  refreshCookie: string;
  /** Requests under way that need it to live. */
  uses: number;
  isRefreshing: boolean;
  hasEnded: boolean;
  /** By the path of a list. */
  etags: Map<string, string>;
}

export interface Organization {
  apiKey: string;
  client: Client;
  /** Ids of events that were answered with 201. */
  acknowledged: string[];
}

export interface People {
  all: Person[];
  /** The one that was refreshed or begun longest ago comes first. */
  sessions: Session[];
  /** Access tokens whose end was confirmed, the newest last. */
  ended: { accessToken: string; atMs: number }[];
  /** Asks for its events. */
  polled: Organization;
  /** Has them delivered. */
  hooked: Organization;
  /** E-mails that were answered with 201. */
  signedUp: string[];
}

/** What a browser says of a page of ours that calls. */
export const fromOwnPage = { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' } as const;

export const bearer = (accessToken: string) => ({ authorization: `Bearer ${accessToken}` });

/** How a session is begun: browsers and programs sign in at paths of their own. */
export function sendSignIn({ client, email }: Person, isBrowser: boolean): Promise<Answer> {
  const json = { email, password };
  return isBrowser
    ? client.send('/api/v1/access/signin', { json, headers: fromOwnPage })
    : client.send('/api/v1/auth/login', { json });
}

export function readSession(person: Person, isBrowser: boolean, answer: Answer): Session {
  const session: Session = {
    person,
    isBrowser,
    accessToken: '',
    refreshToken: '',
    cookie: '',
    refreshCookie: '',
    uses: 0,
    isRefreshing: false,
    hasEnded: false,
    etags: new Map(),
  };
  takeTokens(session, answer);
  return session;
}

/** Takes the tokens of a sign-in or a refresh. @throws Error when the answer has none */
export function takeTokens(session: Session, { headers, text }: Answer): void {
  if (!session.isBrowser) {
    const { access_token: accessToken, refresh_token: refreshToken } = fieldsOf(
      text,
      'access_token',
      'refresh_token',
    );
    Object.assign(session, { accessToken, refreshToken });
    return;
  }
  const pairs = (headers['set-cookie'] ?? []).map((line) => line.split(';', 1)[0] ?? '');
  const access = pairs.find((pair) => /access_token=./.test(pair));
  const refresh = pairs.find((pair) => /refresh_token=./.test(pair));
  if (access === undefined || refresh === undefined) throw new Error(`No cookies: ${pairs.join(' ')}`);
  session.accessToken = access.slice(access.indexOf('=') + 1);
  session.refreshToken = refresh.slice(refresh.indexOf('=') + 1);
  session.cookie = access;
  session.refreshCookie = `${access}; ${refresh}`;
}

/** As the client of this session says who it is. */
export function credentialsOf(session: Session): Readonly<Record<string, string>> {
  return session.isBrowser
    ? { ...fromOwnPage, cookie: session.cookie }
    : { authorization: `Bearer ${session.accessToken}` };
}

export interface Cast {
  clients: readonly Client[];
  /** How many people, each with one session at any time in the mean. */
  count: number;
  administrator: { email: string; password: string };
  /** Where the events of one organization are delivered to. */
  hookUrl: string;
}

/** Passwords hashed at once: as many as the machine does. */
const signUpsAtOnce = 4;

/** Makes the people and organizations, over HTTP like everybody. @throws Error when something is refused */
export async function gather({ clients, count, administrator, hookUrl }: Cast): Promise<People> {
  const clientAt = (index: number): Client => {
    const client = clients[index % clients.length];
    if (client === undefined) throw new Error('There are no clients.');
    return client;
  };
  const all = Array.from({ length: count }, (_, index) => ({
    email: `person-${index}@example.org`,
    client: clientAt(index),
  }));
  const sessions: Session[] = [];
  const waiting = [...all.entries()];
  const enter = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, person] = next;
      const json = { email: person.email, password };
      expect(201, await person.client.send('/api/v1/auth/register', { json }));
      const isBrowser = index % 2 === 0;
      const answer = await sendSignIn(person, isBrowser);
      sessions.push(readSession(person, isBrowser, expect(isBrowser ? 204 : 200, answer)));
    }
  };
  await Promise.all(Array.from({ length: signUpsAtOnce }, enter));

  const first = clientAt(0);
  const signedIn = await first.send('/api/v1/auth/login', { json: administrator });
  const { access_token: chief } = fieldsOf(expect(200, signedIn).text, 'access_token');
  const found = async (name: string, client: Client): Promise<Organization> => {
    const json = { organization_name: name, tier: 'enterprise' };
    const made = await client.send('/api/keys/generate', { json, headers: bearer(chief) });
    const { api_key: apiKey } = fieldsOf(expect(201, made).text, 'api_key');
    return { apiKey, client, acknowledged: [] };
  };
  const polled = await found('Polled', clientAt(1));
  const hooked = await found('Hooked', clientAt(2));
  const json = { webhook_url: hookUrl };
  const headers = { 'x-api-key': hooked.apiKey };
  expect(200, await hooked.client.send('/api/webhook/config', { json, headers }));
  return { all, sessions, ended: [], polled, hooked, signedUp: all.map(({ email }) => email) };
}

function expect(status: number, answer: Answer): Answer {
  if (answer.status === status) return answer;
  throw new Error(`${answer.status} instead of ${status}: ${answer.text.slice(0, 500)}`);
}
