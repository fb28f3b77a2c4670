/** Takes one event in, on the way through Fastify and on the short way past it: the same steps in the same order. */
import { whenKnown } from '../cache/counters.ts';
import { answerProblem } from '../http/errors.ts';
import {
  type Allowance,
  type AuthenticateKey,
  keyProblem,
  type Organization,
  setAllowance,
  writeAllowance,
} from '../http/key-guard.ts';
import { noteUser } from '../http/observe.ts';
import type { PostReply, PostShortcut } from '../http/post-shortcut.ts';
import type { ReportFailure } from '../telemetry/failure-log.ts';
import type { EventLimits, TakenEvent } from './event-batch.ts';
import { type EventInput, readEvent } from './event-input.ts';
import { writeStored } from './event-json.ts';
import { type Events, outcomeProblem } from './events.ts';

interface PostEventNeeds {
  events: Events;
  limits: EventLimits;
}

/** How an event is answered: `stored` or `failed`, once. */
interface EventReply {
  /** What is left of the minute, before anything is answered. The last call counts. */
  allow(allowance: Allowance): void;
  stored(body: string, bytes: number): void;
  failed(error: unknown): void;
}

export function postEvent(
  { events, limits }: PostEventNeeds,
  organization: Organization,
  body: unknown,
  idempotencyKey: string | string[] | undefined,
  reply: EventReply,
): void {
  function giveBack(taken: TakenEvent): void {
    limits.giveBack(organization);
    reply.allow({ ...taken, remaining: Math.min(taken.limit, taken.remaining + 1) });
  }

  function store(input: EventInput, taken: TakenEvent): void {
    reply.allow(taken);
    if (!taken.isGranted) throw limits.refusal(taken);
    const refused = events.post(organization.id, input, (outcome, event) => {
      if (outcome.kind === 'stored') {
        const stored = writeStored(event, organization.id, input);
        reply.stored(stored.body, stored.bytes);
        return;
      }
      if (outcome.kind === 'failed') giveBack(taken);
      reply.failed(outcomeProblem(outcome));
    });
    if (refused === undefined) return;
    giveBack(taken);
    throw refused;
  }

  try {
    const input = readEvent(body, typeof idempotencyKey === 'string' ? idempotencyKey : undefined);
    const taken = limits.take(organization);
    if (taken instanceof Promise) taken.then((late) => store(input, late)).catch(reply.failed);
    else store(input, taken);
  } catch (error) {
    reply.failed(error);
  }
}

interface ShortcutNeeds extends PostEventNeeds {
  authenticateKey: AuthenticateKey;
  storedStatus: number;
  report: ReportFailure;
  route: string;
}

/** A body that took longer is no longer covered by the look at its key that let it in. */
const keyHoldsMs = 50;

/** The route for a key that is known already, which is nearly every one. */
export function createPostShortcut(needs: ShortcutNeeds): PostShortcut {
  const { authenticateKey, limits, storedStatus, report, route } = needs;

  function take(organization: Organization, body: Buffer, reply: PostReply): void {
    const { raw } = reply;
    let allowance: Allowance | undefined;
    const refuse = (error: unknown, left: Allowance) => {
      setAllowance(raw, left);
      const { status } = answerProblem(raw, raw.requestId, error, route);
      if (status >= 500) report(error, raw.requestId, route);
    };
    postEvent(needs, organization, body, raw.req.headers['idempotency-key'], {
      allow(left) {
        allowance = left;
      },
      stored: (text, bytes) =>
        reply.send(storedStatus, allowance === undefined ? [] : writeAllowance(allowance), text, bytes),
      failed: (error) =>
        void whenKnown(allowance ?? limits.allowanceOf(organization), (left) => refuse(error, left)),
    });
  }

  return (request) => {
    const key = request.headers['x-api-key'];
    const organization = typeof key === 'string' ? authenticateKey(key) : undefined;
    // Whoever is unknown or has to be looked up takes the long way; it joins this look-up or makes another.
    if (organization instanceof Promise) organization.catch(() => undefined);
    if (organization === undefined || organization instanceof Promise) return undefined;
    return (body, reply) => {
      noteUser(reply.raw, organization.id);
      if (reply.elapsedMs < keyHoldsMs) {
        take(organization, body, reply);
        return;
      }
      const refuse = (error: unknown) => void answerProblem(reply.raw, reply.raw.requestId, error, route);
      Promise.resolve(typeof key === 'string' ? authenticateKey(key) : undefined).then((still) => {
        if (still === undefined) refuse(keyProblem('api-key-refused'));
        else take(still, body, reply);
      }, refuse);
    };
  };
}
