/** Events with dedup ids, a quarter of them sent again: a repeat is told which event it is, and stores nothing. */
import { defineScenario } from '../src/scenarios/scenario.ts';
import { expect, readMember, readText } from './account.ts';
import { eventRequest, makeOrganizations, nameRun } from './organization.ts';

interface Shop {
  keys: string[];
  /** Counts over all phases of a run: each event has a dedup id of its own. */
  count: number;
  prefix: string;
}

interface Posted {
  apiKey: string | undefined;
  order: number;
  dedupId: string;
}

interface Till {
  /** Under way; one connection has one request at a time. */
  next: Posted;
  /** The last event that was answered, and its id. */
  known: Posted;
  eventId: string;
}

function takeOrder(shop: Shop): Posted {
  shop.count += 1;
  const order = shop.count;
  return { apiKey: shop.keys[order % shop.keys.length], order, dedupId: `${shop.prefix}-${order}` };
}

const plan = ({ apiKey, order, dedupId }: Posted) => eventRequest(apiKey, order, dedupId);

export const scenario = defineScenario<Shop, Till>({
  name: 'ingest-dedup',
  description: 'Posts events with dedup ids; every fourth request repeats one that is stored.',
  setUp: async (context) => {
    const prefix = nameRun('ingest-dedup');
    return { keys: await makeOrganizations(context, prefix), count: 0, prefix };
  },
  async connect(context, shop) {
    const known = takeOrder(shop);
    const eventId = readText(expect(await context.newClient().send(plan(known)), 201), 'event_id');
    return { next: known, known, eventId };
  },
  steps: [
    {
      name: 'first',
      weight: 3,
      request(till, _number, shop) {
        till.next = takeOrder(shop);
        return plan(till.next);
      },
      expect: [201],
      check(answer, till) {
        const eventId = readMember(answer.json(), 'event_id');
        if (typeof eventId !== 'string') return 'holds no id';
        till.known = till.next;
        till.eventId = eventId;
        return undefined;
      },
    },
    {
      name: 'repeat',
      request: ({ known }) => plan(known),
      expect: [409],
      check(answer, { eventId }) {
        const body = answer.json();
        if (readMember(body, 'event_id') !== eventId) return 'names another event';
        return readMember(body, 'payload_mismatch') === false ? undefined : 'says the content differs';
      },
    },
  ],
});
