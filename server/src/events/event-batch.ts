/** Many events in one request: each is read, counted and stored for itself, and has its own result. */
import type { BatchResults } from '@irontrack/contract/events.ts';
import type { Static } from '@sinclair/typebox';
import type { Allowance, Organization } from '../http/key-guard.ts';
import { Problem } from '../problem.ts';
import { readEventText } from './event-input.ts';
import { type Events, outcomeProblem } from './events.ts';

type Result = Static<typeof BatchResults>['results'][number];

export interface EventLimits {
  /** Takes one event out of the organization's minute. */
  take(organization: Organization): Allowance & { readonly isGranted: boolean };
  giveBack(organization: Organization): void;
  allowanceOf(organization: Organization): Allowance;
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
  return { results, allowance: needs.limits.allowanceOf(organization) };
}

function postOne(
  { events, limits, storedStatus }: Needs,
  organization: Organization,
  text: string,
): Result | Promise<Result> {
  try {
    const input = readEventText(text, undefined);
    const taken = limits.take(organization);
    if (!taken.isGranted) throw limits.refusal(taken);
    const { promise, resolve } = Promise.withResolvers<Result>();
    const refused = events.post(organization.id, input, (outcome, { id }) => {
      if (outcome.kind === 'failed') limits.giveBack(organization);
      resolve(outcome.kind === 'stored' ? { status: storedStatus, id } : toResult(outcomeProblem(outcome)));
    });
    if (refused === undefined) return promise;
    limits.giveBack(organization);
    throw refused;
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
