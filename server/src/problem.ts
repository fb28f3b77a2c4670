import type { ValidationDetail } from '@irontrack/contract/problem-body.ts';
import { type ProblemCode, problems } from '@irontrack/contract/problems.ts';

/**
 * An error that the client is told about. Everything else that is thrown becomes `internal-error` and goes to the log.
 */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Beside the members that every problem has. */
  readonly members: Readonly<Record<string, unknown>>;

  /**
   * @param code entry of the error table
   * @param detail what happened and what to do; the sentence of the table when absent
   * @param extra `headers` to send along, further `members` of the body, and the `cause` for the log
   */
  constructor(
    code: ProblemCode,
    detail?: string,
    extra: { headers?: Record<string, string>; members?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(detail ?? problems[code].title, extra.cause === undefined ? undefined : { cause: extra.cause });
    this.code = code;
    this.status = problems[code].status;
    this.headers = extra.headers ?? {};
    this.members = extra.members ?? {};
  }
}

/** A body of 64 KiB can hold thousands of faults; nobody reads more than these, nor more than a few in a sentence. */
export const mostFaults = 100;
const mostInSentence = 5;

/** A body, query or path that does not validate: every bad field up to a bound, not only the first. */
export class ValidationProblem extends Problem {
  readonly details: readonly ValidationDetail[];

  constructor(details: readonly ValidationDetail[]) {
    const kept = details.slice(0, mostFaults);
    super('validation-failed', describe(kept));
    this.details = kept;
  }
}

function describe(details: readonly ValidationDetail[]): string {
  const named = details.slice(0, mostInSentence).map(({ field, message }) => `${field}: ${message}`);
  const more = details.length - named.length;
  return more === 0 ? named.join('; ') : `${named.join('; ')}; and ${more} more`;
}
