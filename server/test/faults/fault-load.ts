/** Callers that go on while a test breaks the database, and keep a book of what they were promised. */
import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import type postgres from 'postgres';
import { post, walkInbox } from '../support/events.ts';
import type { TestOrganization } from '../support/organizations.ts';
import { type Answer, call, goodPassword, newEmail, textMember } from '../support/service.ts';
import type { RunningServer } from './process.ts';

interface Book {
  /** E-mails whose sign-up was confirmed. */
  accounts: string[];
  /** Access tokens whose logout was confirmed. */
  ended: string[];
  /** Ids of events that were confirmed. */
  events: string[];
  /** Answers of 503. */
  refused: number;
  /** One of them. */
  firstRefusal: Answer | undefined;
  /** Requests whose connection broke before their answer: what came of them nobody knows. */
  broken: number;
  slowestMs: number;
  /** What should never be answered, in words. */
  unexpected: string[];
}

export interface FaultLoad {
  book: Book;
  /** Resolves when so many more writes were confirmed. */
  more(count: number): Promise<void>;
  /** Nothing was answered that should never be; else it fails with what the server said of it. */
  checkExpected(): Promise<void>;
  /** Every account and every event that was confirmed is there, each event once, and nobody who was signed out is let in. */
  checkKept(sql: postgres.Sql): Promise<void>;
  stop(): Promise<void>;
}

const peopleAtOnce = 3;
const senders = 6;
/** Characters of the server's log, where a test fails. */
const mostShown = 20_000;

interface FaultLoadOptions {
  /** Connections may break, as processes of the service are killed. Otherwise that fails the test. */
  mayBreak?: boolean;
}

export function startFaultLoad(
  server: RunningServer,
  organization: TestOrganization,
  { mayBreak = false }: FaultLoadOptions = {},
): FaultLoad {
  const book: Book = {
    accounts: [],
    ended: [],
    events: [],
    refused: 0,
    firstRefusal: undefined,
    broken: 0,
    slowestMs: 0,
    unexpected: [],
  };
  let isOn = true;
  let serial = 0;

  /** @returns undefined when its connection broke, where it may */
  async function sendOnce(send: () => Promise<Answer>): Promise<Answer | undefined> {
    try {
      return await send();
    } catch (error) {
      if (!mayBreak) throw error;
      book.broken += 1;
      await wait(20);
      return undefined;
    }
  }

  /** @returns undefined when it was refused for the time being, or nobody knows */
  async function ask(wanted: number, what: string, send: () => Promise<Answer>): Promise<Answer | undefined> {
    const startedAt = performance.now();
    const answer = await sendOnce(send);
    if (answer === undefined) return undefined;
    book.slowestMs = Math.max(book.slowestMs, performance.now() - startedAt);
    if (answer.status === wanted) return answer;
    if (answer.status === 503) {
      book.refused += 1;
      book.firstRefusal ??= answer;
      await wait(50);
      return undefined;
    }
    book.unexpected.push(`${what}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return undefined;
  }

  async function livePerson(): Promise<void> {
    while (isOn) {
      const json = { email: newEmail(), password: goodPassword };
      const made = await ask(201, 'sign-up', () => call(server, '/api/v1/auth/register', { json }));
      if (made === undefined) continue;
      book.accounts.push(json.email);
      const signedIn = await ask(200, 'sign-in', () => call(server, '/api/v1/auth/login', { json }));
      if (signedIn === undefined) continue;
      const bearer = textMember(signedIn.body, 'access_token');
      // So that it is in the caches when it ends.
      await ask(200, 'me', () => call(server, '/api/v1/access/me', { bearer }));
      const out = await ask(204, 'logout', () =>
        call(server, '/api/v1/auth/logout', { method: 'POST', bearer }),
      );
      if (out === undefined) continue;
      book.ended.push(bearer);
      await ask(401, 'a session that was ended', () => call(server, '/api/v1/access/me', { bearer }));
    }
  }

  async function sendEvents(): Promise<void> {
    while (isOn) {
      serial += 1;
      const event = { type: 'load', payload: { serial }, dedup_id: `load ${serial}` };
      for (let isSettled = false; isOn && !isSettled; ) {
        const answer = await ask(201, 'event', async () => {
          const given = await post(server, organization, event);
          // Stored by an attempt that was answered 503.
          return given.status === 409 ? { ...given, status: 201, body: { id: given.body } } : given;
        });
        if (answer === undefined) continue;
        isSettled = true;
        const body = JSON.stringify(answer.body);
        const id = /"(?:event_id|id)":"([0-9a-f-]{36})"/.exec(body)?.[1];
        assert.ok(id !== undefined, body);
        book.events.push(id);
      }
      await wait(5);
    }
  }

  /** Somebody whose session has ended keeps trying, also while the database is away. */
  async function tryEnded(): Promise<void> {
    while (isOn) {
      const bearer = book.ended[Math.floor(book.ended.length * Math.random())];
      if (bearer !== undefined) {
        await ask(401, 'a session that was ended', () => call(server, '/api/v1/access/me', { bearer }));
      }
      await wait(20);
    }
  }

  const callers = [
    ...Array.from({ length: peopleAtOnce }, livePerson),
    ...Array.from({ length: senders }, sendEvents),
    tryEnded(),
  ];
  const count = () => book.accounts.length + book.ended.length + book.events.length;

  return {
    book,
    async more(wanted) {
      const target = count() + wanted;
      const deadline = performance.now() + 60_000;
      while (count() < target) {
        assert.ok(
          performance.now() < deadline,
          `No ${wanted} writes in a minute: ${server.output().slice(-3_000)}`,
        );
        await wait(10);
      }
    },
    async checkExpected() {
      if (book.unexpected.length === 0) return;
      // Lines of the log may be a tenth of a second late.
      await wait(500);
      const said = server.output();
      const told = [...book.unexpected, 'The server said:', said.slice(-mostShown)];
      // The first of them are the ones that explain the others, and may be far back.
      const failed = said.split('\n').filter((line) => line.includes('A request failed'));
      assert.fail([...told, 'and of failed requests:', ...failed.slice(0, 5)].join('\n'));
    },
    async checkKept(sql) {
      const stored = await sql<{ email: string }[]>`select email from users`;
      const emails = new Set(stored.map(({ email }) => email));
      for (const email of book.accounts) assert.ok(emails.has(email), `acknowledged and lost: ${email}`);
      for (const bearer of book.ended) {
        assert.equal((await call(server, '/api/v1/access/me', { bearer })).status, 401);
      }
      const inbox = await walkInbox(server, organization);
      const held = new Set(inbox);
      assert.equal(held.size, inbox.length, 'nothing twice in the inbox');
      for (const id of book.events) assert.ok(held.has(id), `acknowledged and lost: ${id}`);
    },
    async stop() {
      isOn = false;
      await Promise.all(callers);
    },
  };
}
