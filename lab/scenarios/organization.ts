/** Organizations with API keys for the examples that post and read events. Their keys die with the data of the service. */
import type { RequestPlan, ScenarioContext } from '../src/scenarios/scenario.ts';
import { expect, readMember, readText } from './account.ts';

/** What names and ids of a run begin with, so that those of an earlier run are not met again. */
export function nameRun(name: string): string {
  return `${name}-${crypto.randomUUID()}`;
}

/** Makes an organization of the largest tier, 100,000 events a minute. @returns its API key */
export async function makeOrganization(context: ScenarioContext, name: string): Promise<string> {
  const answer = await context.newClient().send({
    method: 'POST',
    path: '/api/keys/generate',
    body: { organization_name: name, tier: 'enterprise' },
  });
  return readText(expect(answer, 201), 'api_key');
}

/** One minute's events of 40 organizations are 66,000 a second: more than one service takes in. */
const crowdSize = 40;

export async function makeOrganizations(context: ScenarioContext, name: string): Promise<string[]> {
  const keys: string[] = [];
  while (keys.length < crowdSize) keys.push(await makeOrganization(context, `${name} ${keys.length}`));
  return keys;
}

/** About 300 bytes with their envelope. */
const note = 'x'.repeat(200);

export function eventRequest(apiKey: string | undefined, order: number, dedupId?: string): RequestPlan {
  const payload = { order, items: [{ sku: 'A-1', count: 2 }], note };
  return {
    method: 'POST',
    path: '/api/events',
    headers: { 'x-api-key': apiKey ?? '' },
    body: { type: 'order.created', payload, ...(dedupId === undefined ? {} : { dedup_id: dedupId }) },
  };
}

/** Posts events, a hundred a request. */
export async function postEvents(context: ScenarioContext, apiKey: string, count: number): Promise<void> {
  for (let posted = 0; posted < count; ) {
    const size = Math.min(100, count - posted);
    const events = Array.from({ length: size }, (_, at) => ({ type: 'made', payload: { n: posted + at } }));
    const answer = expect(
      await context.newClient().send({
        method: 'POST',
        path: '/api/events/batch',
        headers: { 'x-api-key': apiKey },
        body: { events },
      }),
      200,
    );
    const results = readMember(answer.json(), 'results');
    if (!Array.isArray(results) || results.some((result) => readMember(result, 'status') !== 201)) {
      throw new Error(`Not all events were stored: ${answer.text().slice(0, 200)}`);
    }
    posted += size;
  }
}
