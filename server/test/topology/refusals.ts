/** How soon every other process refuses what one node has just ended: sessions, roles, API keys, signing keys. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** `{ port }` of this machine, or `{ socketPath }`. */
export type NodeAddress = { port: number } | { socketPath: string };

export interface RefusalOptions {
  /** Makes the changes. */
  first: NodeAddress;
  /** Is asked, on several connections, so that each of its workers is. */
  second: NodeAddress;
  superuser: { email: string; password: string };
  /** Of `irontrack rotate-signing-key` beside the first node: its data folder and its database. */
  environment: NodeJS.ProcessEnv;
  /** Of each kind. */
  trials: number;
  /** A word that no earlier run on the same database had. */
  run: string;
}

const password = 'Correct-Horse-7';
const connections = 6;
/** Nobody is refused this late; a trial that comes to it ends the measurement. */
const longestMs = 20_000;
const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

interface Answer {
  status: number;
  body: unknown;
}

interface Sent {
  method?: string;
  json?: unknown;
  headers?: Record<string, string>;
}

/**
 * @returns milliseconds by kind, one for each trial: from the answer to the change (or the word of the command that it is
 *   done) to the first refusal on the slowest connection, so that the time of a request is part of it
 * @throws when something is not refused at all
 */
export async function measureRefusals(options: RefusalOptions): Promise<Map<string, number[]>> {
  const { first, second, superuser, environment, trials, run } = options;
  const agents = Array.from({ length: connections }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  const home = new Agent({ keepAlive: true });
  const change = (path: string, sent: Sent = {}) => send(first, home, path, sent);
  let chief = bearer(await signIn(change, superuser));

  /** Waits until all connections see a status, and says how long that took. */
  async function until(status: number, path: string, headers: Record<string, string>): Promise<number> {
    const startedAt = performance.now();
    await Promise.all(
      agents.map(async (agent) => {
        while ((await send(second, agent, path, { headers })).status !== status) {
          if (performance.now() - startedAt > longestMs)
            throw new Error(`${path} is not answered with ${status}.`);
        }
      }),
    );
    return performance.now() - startedAt;
  }

  const kinds: readonly ((trial: number) => Promise<Record<string, number>>)[] = [
    async function endSession(trial) {
      const token = bearer(await signUp(change, `ended-${run}-${trial}@example.org`));
      await until(200, '/api/v1/access/me', token);
      expect(204, await change('/api/v1/auth/logout', { method: 'POST', headers: token }));
      return { 'session ended': await until(401, '/api/v1/access/me', token) };
    },
    async function takeRole(trial) {
      const email = `role-${run}-${trial}@example.org`;
      const token = bearer(await signUp(change, email));
      const json = { roleSlug: 'superuser' };
      const patch = { method: 'PATCH', json, headers: chief };
      expect(200, await change(`/api/v1/roles/${email}/assign`, patch));
      await until(200, '/api/v1/users?pageSize=1', token);
      expect(200, await change(`/api/v1/roles/${email}/revoke`, patch));
      return { 'role taken away': await until(403, '/api/v1/users?pageSize=1', token) };
    },
    async function rotateApiKey() {
      const made = await change('/api/keys/generate', {
        json: { organization_name: 'Bench' },
        headers: chief,
      });
      const key = { 'x-api-key': member(expect(201, made), 'api_key') };
      await until(200, '/api/keys', key);
      expect(200, await change('/api/keys/rotate', { method: 'POST', headers: key }));
      return { 'API key rotated': await until(401, '/api/keys', key) };
    },
    async function withdrawSigningKey(trial) {
      const token = bearer(await signUp(change, `key-${run}-${trial}@example.org`));
      await until(200, '/api/v1/access/me', token);
      const command = startRotation(environment);
      await command.said;
      const refused = await until(401, '/api/v1/access/me', token);
      const kid = await command.ended;
      // The superuser's token was of the old key too.
      chief = bearer(await signInWithKey(change, superuser, kid));
      const accepted = await until(200, '/api/v1/access/me', chief);
      return { 'signing key withdrawn': refused, 'token of the new key accepted': accepted };
    },
  ];
  const delays = new Map<string, number[]>();
  try {
    // In turn, so that a bad minute of the machine is spread over all kinds.
    for (let trial = 0; trial < trials; trial += 1) {
      for (const measure of kinds) {
        for (const [name, ms] of Object.entries(await measure(trial))) {
          delays.set(name, [...(delays.get(name) ?? []), ms]);
        }
      }
    }
  } finally {
    for (const agent of [...agents, home]) agent.destroy();
  }
  return delays;
}

/** The value that a share of the sample does not exceed. */
export function shareOf(sample: readonly number[], share: number): number {
  const sorted = sample.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

type Change = (path: string, sent?: Sent) => Promise<Answer>;

async function signUp(change: Change, email: string): Promise<string> {
  expect(201, await change('/api/v1/auth/register', { json: { email, password } }));
  return await signIn(change, { email, password });
}

async function signIn(change: Change, person: { email: string; password: string }): Promise<string> {
  return member(expect(200, await change('/api/v1/auth/login', { json: person })), 'access_token');
}

/** Once the node signs with a key: one that still holds a withdrawn key answers 503 until it has read the new one. */
async function signInWithKey(
  change: Change,
  person: { email: string; password: string },
  kid: string,
): Promise<string> {
  const deadline = performance.now() + longestMs;
  for (;;) {
    const answer = await change('/api/v1/auth/login', { json: person });
    const token = answer.status === 200 ? member(answer, 'access_token') : '';
    if (token !== '' && kidOf(token) === kid) return token;
    if (performance.now() > deadline) throw new Error(`Nothing is signed with ${kid}: ${answer.status}.`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function kidOf(token: string): string {
  const header: unknown = JSON.parse(Buffer.from(token.split('.', 1)[0] ?? '', 'base64url').toString());
  return typeof header === 'object' && header !== null ? String(Reflect.get(header, 'kid')) : '';
}

/** `irontrack rotate-signing-key --revoke-old`: `said` when it says that the old key is revoked, `ended` with the new kid. */
function startRotation(environment: NodeJS.ProcessEnv): { said: Promise<void>; ended: Promise<string> } {
  const said = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<string>();
  // Whoever waits for one of them hears of it, and nobody else has to.
  said.promise.catch(() => undefined);
  ended.promise.catch(() => undefined);
  const child = spawn(process.execPath, [main, 'rotate-signing-key', '--revoke-old'], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let written = '';
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      written += `${line}\n`;
      if (line.startsWith('The old one is revoked')) said.resolve();
    });
  }
  child.once('error', ended.reject);
  child.once('close', (status) => {
    const kid = /^The new signing key is (\S+)\.$/m.exec(written)?.[1];
    const failure = new Error(`rotate-signing-key ended with ${status}: ${written}`);
    said.reject(failure);
    if (status === 0 && kid !== undefined) ended.resolve(kid);
    else ended.reject(failure);
  });
  return { said: said.promise, ended: ended.promise };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

function expect(status: number, answer: Answer): Answer {
  if (answer.status !== status && answer.status !== 204) {
    throw new Error(`${answer.status} instead of ${status}: ${JSON.stringify(answer.body)}`);
  }
  return answer;
}

function member({ body }: Answer, name: string): string {
  return typeof body === 'object' && body !== null ? String(Reflect.get(body, name)) : '';
}

async function send(node: NodeAddress, agent: Agent, path: string, sent: Sent): Promise<Answer> {
  const body = sent.json === undefined ? undefined : JSON.stringify(sent.json);
  const outgoing = request({
    ...node,
    host: '127.0.0.1',
    agent,
    path,
    method: sent.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: { ...sent.headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
  });
  outgoing.end(body);
  const [response] = await once(outgoing, 'response');
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += chunk;
  const isJson = /json/.test(response.headers['content-type'] ?? '');
  return { status: response.statusCode, body: isJson && text !== '' ? JSON.parse(text) : text };
}
