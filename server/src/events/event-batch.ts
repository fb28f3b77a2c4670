/** Many events in one request: each is read, counted and stored for itself, and has its own result. */
import type { BatchResults } from '@irontrack/contract/events.ts';
import type { Static } from '@sinclair/typebox';
import { type Soon, whenKnown } from '../cache/counters.ts';
import type { Allowance, Organization } from '../http/key-guard.ts';
import { Problem } from '../problem.ts';
import { readEventText } from './event-input.ts';
import { type Events, outcomeProblem } from './events.ts';

type Result = Static<typeof BatchResults>['results'][number];

/** What is left of the minute once an event was taken out of it, or was one too many. */
export type TakenEvent = Allowance & { readonly isGranted: boolean };

export interface EventLimits {
  /** Takes one event out of the organization's minute. */
  take(organization: Organization): Soon<TakenEvent>;
  giveBack(organization: Organization): void;
  allowanceOf(organization: Organization): Soon<Allowance>;
  /** What an event over the limit is answered with. */
  refusal(allowance: Allowance): Problem;
}

interface Needs {
  events: Events;
  limits: EventLimits;
  storedStatus: number;
}

export async function postBatch(
  needs: Needs,
  organization: Organization,
  texts: readonly string[],
): Promise<{ results: Result[]; allowance: Allowance }> {
  const results = await Promise.all(texts.map((text) => postOne(needs, organization, text)));
  return { results, allowance: await needs.limits.allowanceOf(organization) };
}

async function postOne(
  { events, limits, storedStatus }: Needs,
  organization: Organization,
  text: string,
): Promise<Result> {
  try {
    const input = readEventText(text, undefined);
    const { promise, resolve } = Promise.withResolvers<Result>();
    // Where the limits are counted in this process, all events of a batch are posted in one go.
    await whenKnown(limits.take(organization), (taken) => {
      if (!taken.isGranted) throw limits.refusal(taken);
      const refused = events.post(organization.id, input, (outcome, { id }) => {
        if (outcome.kind === 'failed') limits.giveBack(organization);
        resolve(outcome.kind === 'stored' ? { status: storedStatus, id } : toResult(outcomeProblem(outcome)));
      });
      if (refused === undefined) return;
      limits.giveBack(organization);
      throw refused;
    });
    return await promise;
  } catch (error) {
    return toResult(error);
  }
}

function toResult(error: unknown): Result {
  const problem =
    error instanceof Problem ? error : new Problem('internal-error', undefined, { cause: error });
  const { status, code, message, members } = problem;
  const id = typeof members.event_id === 'string' ? { id: members.event_id } : {};
  return { status, ...id, code, error: message };
}
