/**
 * Events that go out again as webhooks, to a receiver on this machine. Start the service with WEBHOOK_ALLOW_PRIVATE=on,
 * or it refuses to deliver there.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { defineScenario } from '../src/scenarios/scenario.ts';
import { expect, readMember, readText } from './account.ts';
import { eventRequest, makeOrganization, nameRun } from './organization.ts';

interface Post {
  keys: string[];
  receiver: Worker;
}

interface Sender {
  apiKey: string;
  /** Waits to be looked up, since then. Milliseconds since 1970. */
  eventId: string;
  postedAtMs: number;
  /** The last that was posted. */
  newest: { eventId: string; postedAtMs: number };
}

/** Each has 32 deliveries under way at most, so a few are needed to have all of a service's. */
const organizations = 8;

/** An event that is not delivered so long after it was posted is a failure. */
const patienceMs = 30_000;

export const scenario = defineScenario<Post, Sender>({
  name: 'deliver',
  description: 'Posts events that are delivered to a webhook, and looks up whether they were.',
  async setUp(context) {
    const receiver = new Worker(new URL('deliver-receiver.ts', import.meta.url));
    const [port]: unknown[] = await once(receiver, 'message');
    // A load that was broken off must not be kept alive by it.
    receiver.unref();
    const keys: string[] = [];
    while (keys.length < organizations) {
      const apiKey = await makeOrganization(context, nameRun('deliver'));
      const set = await context.newClient().send({
        method: 'POST',
        path: '/api/webhook/config',
        headers: { 'x-api-key': apiKey },
        body: { webhook_url: `http://127.0.0.1:${String(port)}/` },
      });
      expect(set, 200);
      keys.push(apiKey);
    }
    return { keys, receiver };
  },
  async connect(context, { keys }, index) {
    const apiKey = keys[index % keys.length] ?? '';
    const answer = expect(await context.newClient().send(eventRequest(apiKey, index)), 201);
    const first = { eventId: readText(answer, 'event_id'), postedAtMs: Date.now() };
    return { apiKey, ...first, newest: first };
  },
  steps: [
    {
      name: 'post',
      weight: 9,
      request: ({ apiKey }, number) => eventRequest(apiKey, number),
      expect: [201],
      check(answer, sender) {
        const eventId = readMember(answer.json(), 'event_id');
        if (typeof eventId !== 'string') return 'holds no id';
        sender.newest = { eventId, postedAtMs: Date.now() };
        return undefined;
      },
    },
    {
      name: 'look-up',
      request: ({ apiKey, eventId }) => ({
        path: `/api/events/${eventId}`,
        headers: { 'x-api-key': apiKey },
      }),
      check(answer, sender) {
        const event = answer.json();
        const attempts = Number(readMember(event, 'attempts'));
        if (readMember(event, 'status') === 'delivered' && attempts === 1) {
          Object.assign(sender, sender.newest);
          return undefined;
        }
        const waitedMs = Date.now() - sender.postedAtMs;
        if (attempts > 0) return `failed to deliver: ${String(readMember(event, 'last_error'))}`;
        return waitedMs < patienceMs ? undefined : `has not delivered after ${Math.round(waitedMs / 1000)} s`;
      },
    },
  ],
  async tearDown(_context, post) {
    await post?.receiver.terminate();
  },
});
