/** The guard of routes for programs: whose API key is it, and how much of the minute is left. */
import type { ServerResponse } from 'node:http';
import type { Tier } from '@irontrack/contract/organizations.ts';
import type { FastifyRequest, onRequestHookHandler } from 'fastify';
import { type Soon, whenKnown } from '../cache/counters.ts';
import { Problem } from '../problem.ts';
import { noteUser } from './observe.ts';

/** The organization behind an API key, as kept in memory. */
export interface Organization {
  readonly id: string;
  readonly name: string;
  readonly tier: Tier;
  /** `''` when there is none. */
  readonly webhookUrl: string;
  /** The address answered 410 Gone; nothing is delivered until another is set. */
  readonly isWebhookDisabled: boolean;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Finds whose a key is. Synchronous when it is known already. `undefined`: unknown or replaced. */
export type AuthenticateKey = (
  apiKey: string,
) => Organization | undefined | Promise<Organization | undefined>;

/** What is left of an organization's minute. */
export interface Allowance {
  readonly limit: number;
  readonly remaining: number;
  /** When the window that is counted now ends. Milliseconds since 1970. */
  readonly resetsAtMs: number;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Of a route whose access is `key`. */
    organization: Organization | null;
  }
}

interface KeyGuardSettings {
  authenticateKey: AuthenticateKey;
  allowanceOf: (organization: Organization) => Soon<Allowance>;
}

export function createKeyGuard({ authenticateKey, allowanceOf }: KeyGuardSettings): onRequestHookHandler {
  function admit(
    request: FastifyRequest,
    response: ServerResponse,
    organization: Organization | undefined,
  ): Soon<Problem | undefined> {
    if (organization === undefined) return keyProblem('api-key-refused');
    // Asked again when the body is there, and nearly always with the same answer.
    if (request.organization === organization) return undefined;
    request.organization = organization;
    noteUser(response, organization.id);
    return whenKnown(allowanceOf(organization), (allowance) => {
      setAllowance(response, allowance);
      return undefined;
    });
  }
  return (request, reply, done) => {
    const key = readApiKey(request);
    if (key === '') {
      done(keyProblem('api-key-missing'));
      return;
    }
    const organization = authenticateKey(key);
    const problem =
      organization instanceof Promise
        ? organization.then((found) => admit(request, reply.raw, found))
        : admit(request, reply.raw, organization);
    if (problem instanceof Promise) problem.then(done, done);
    else done(problem);
  };
}

/** `''` when there is none. Node joins a repeated header with commas, which no key has. */
export function readApiKey(request: FastifyRequest): string {
  const given = request.raw.headers['x-api-key'];
  return typeof given === 'string' ? given : '';
}

/** The organization of a route whose access is `key`. */
export function readOrganization(request: FastifyRequest): Organization {
  if (request.organization === null) throw new Error('A route without a key has no organization.');
  return request.organization;
}

/** Says on the answer what is left of the minute; the last call before the answer counts. */
export function setAllowance(response: ServerResponse, allowance: Allowance): void {
  const headers = writeAllowance(allowance);
  for (let at = 0; at < headers.length; at += 2) response.setHeader(headers[at] ?? '', headers[at + 1] ?? '');
}

/** The same as names and values in turn. */
export function writeAllowance({ limit, remaining, resetsAtMs }: Allowance): string[] {
  return [
    'x-ratelimit-limit',
    String(limit),
    'x-ratelimit-remaining',
    String(remaining),
    'x-ratelimit-reset',
    // Seconds since 1970, rounded up: whoever waits for it does not come too early.
    String(Math.ceil(resetsAtMs / 1000)),
  ];
}

export function keyProblem(code: 'api-key-missing' | 'api-key-refused'): Problem {
  return new Problem(code, undefined, { headers: { 'www-authenticate': 'ApiKey' } });
}
