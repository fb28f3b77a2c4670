/** Reading an inbox from end to end by cursor, again and again, and acknowledging now and then what was read. */
import { defineScenario } from '../src/scenarios/scenario.ts';
import { expect, readMember } from './account.ts';
import { makeOrganization, nameRun, postEvents } from './organization.ts';

interface Reader {
  cursor: string | null;
  /** The last event of the page before; the next page begins below it. */
  lastId: string | undefined;
  /** One of those that were read. */
  seenId: string;
  /** How many were read since the first page. */
  read: number;
}

const eventCount = 1_000;
const pageSize = 50;

export const scenario = defineScenario<string, Reader>({
  name: 'inbox',
  description: `Pages through an inbox of ${eventCount} events, ${pageSize} at a time, and acknowledges one in ten.`,
  async setUp(context) {
    const apiKey = await makeOrganization(context, nameRun('inbox'));
    await postEvents(context, apiKey, eventCount);
    return apiKey;
  },
  async connect(context, apiKey) {
    const headers = { 'x-api-key': apiKey };
    const answer = expect(await context.newClient().send({ path: '/api/inbox?limit=1', headers }), 200);
    const events = readMember(answer.json(), 'events');
    const seenId = String(readMember(Array.isArray(events) ? events[0] : undefined, 'id'));
    return { cursor: null, lastId: undefined, seenId, read: 0 };
  },
  steps: [
    {
      name: 'page',
      weight: 9,
      request(reader, _number, apiKey) {
        if (reader.cursor === null) Object.assign(reader, { lastId: undefined, read: 0 });
        const next = reader.cursor === null ? '' : `&cursor=${encodeURIComponent(reader.cursor)}`;
        return { path: `/api/inbox?limit=${pageSize}${next}`, headers: { 'x-api-key': apiKey } };
      },
      check(answer, reader) {
        const page = answer.json();
        const events = readMember(page, 'events');
        if (!Array.isArray(events)) return 'lists no events';
        for (const event of events) {
          const id = readMember(event, 'id');
          if (typeof id !== 'string') return 'lists an event without an id';
          if (reader.lastId !== undefined && id >= reader.lastId)
            return 'repeats an event, or is out of order';
          reader.lastId = id;
          reader.seenId = id;
        }
        reader.read += events.length;
        const cursor = readMember(page, 'next_cursor');
        reader.cursor = typeof cursor === 'string' ? cursor : null;
        if (reader.cursor !== null || reader.read === eventCount) return undefined;
        return `ends after ${reader.read} of ${eventCount} events`;
      },
    },
    {
      name: 'acknowledge',
      request: ({ seenId }, _number, apiKey) => ({
        method: 'POST',
        path: `/api/inbox/ack/${seenId}`,
        headers: { 'x-api-key': apiKey },
      }),
      check: (answer, { seenId }) =>
        readMember(answer.json(), 'id') === seenId ? undefined : 'acknowledges another event',
    },
  ],
});
