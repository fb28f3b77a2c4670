/** What programs of organizations ask during a soak: events posted, read, leased and acknowledged. */
import { type Answer, fieldsOf } from './clients.ts';
import { createPick, type Kind } from './kind.ts';
import type { Organization } from './people.ts';

const text = 'Lorem ipsum dolor sit amet. '.repeat(8);

interface Needs {
  /** Asks for its events. */
  polled: Organization;
  /** Has them delivered. */
  hooked: Organization;
  /** Between 0 and 1. */
  random: () => number;
}

export function createEventKinds({ polled, hooked, random }: Needs): readonly Kind[] {
  const pick = createPick(random);
  const leased: string[] = [];
  let serial = 0;

  const withKey = (organization: Organization, path: string, json?: unknown) =>
    organization.client.send(path, {
      headers: { 'x-api-key': organization.apiKey },
      ...(json === undefined ? {} : { json }),
    });

  function makeEvent() {
    serial += 1;
    const event = { type: 'soak.event', payload: { serial, text } };
    return serial % 2 === 0 ? event : { ...event, dedup_id: `soak ${serial}` };
  }

  async function postEvent(organization: Organization): Promise<Answer> {
    const answer = await withKey(organization, '/api/events', makeEvent());
    if (answer.status === 201) organization.acknowledged.push(fieldsOf(answer.text, 'id').id);
    return answer;
  }

  async function postBatch(organization: Organization): Promise<Answer> {
    const answer = await withKey(organization, '/api/events/batch', {
      events: Array.from({ length: 10 }, makeEvent),
    });
    if (answer.status !== 200) return answer;
    const body: unknown = JSON.parse(answer.text);
    const results = typeof body === 'object' && body !== null ? Reflect.get(body, 'results') : [];
    for (const result of results) {
      if (result.status === 201) organization.acknowledged.push(String(result.id));
      else return { ...answer, status: Number(result.status) };
    }
    return answer;
  }

  async function lease(): Promise<Answer> {
    const answer = await withKey(polled, '/api/inbox/lease', { limit: 100 });
    if (answer.status !== 200) return answer;
    const body: unknown = JSON.parse(answer.text);
    const events = typeof body === 'object' && body !== null ? Reflect.get(body, 'events') : [];
    for (const event of events) leased.push(String(event.id));
    return answer;
  }

  async function acknowledge(ids: readonly string[]): Promise<Answer> {
    const answer = await withKey(polled, '/api/inbox/ack', { event_ids: ids });
    // What was leased is there: an acknowledgement that finds nothing is as wrong as another status.
    return answer.status === 200 && answer.text.includes('not_found') ? { ...answer, status: 404 } : answer;
  }

  return [
    { name: 'event', perSecond: 40, expected: [201], ask: () => postEvent(polled) },
    { name: 'event for a webhook', perSecond: 5, expected: [201], ask: () => postEvent(hooked) },
    { name: 'batch of 10 events', perSecond: 0.5, expected: [200], ask: () => postBatch(polled) },
    {
      name: 'event read',
      perSecond: 3,
      expected: [200],
      ask() {
        const id = pick(polled.acknowledged);
        return id === undefined ? undefined : withKey(polled, `/api/events/${id}`);
      },
    },
    { name: 'inbox page', perSecond: 8, expected: [200], ask: () => withKey(polled, '/api/inbox?limit=20') },
    { name: 'inbox leased', perSecond: 0.8, expected: [200], ask: lease },
    {
      name: 'events acknowledged',
      perSecond: 0.8,
      expected: [200],
      ask() {
        const ids = leased.splice(0, 100);
        return ids.length === 0 ? undefined : acknowledge(ids);
      },
    },
  ];
}
