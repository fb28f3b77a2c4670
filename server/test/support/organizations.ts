/** Organizations with a key, for tests of the events API. */
import assert from 'node:assert/strict';
import { type ProblemCode, problems, problemType } from '@irontrack/contract/problems.ts';
import { assertInvalid } from './expectations.ts';
import { type Answer, call, member, type Request, type TestService, textMember } from './service.ts';

export interface TestOrganization {
  id: string;
  name: string;
  apiKey: string;
}

let serial = 0;

/** Makes an organization by the public way. */
export async function newOrganization(
  service: Pick<TestService, 'url'>,
  tier = 'free',
): Promise<TestOrganization> {
  serial += 1;
  const name = `Organization ${serial}`;
  const json = { organization_name: name, tier };
  const { status, body } = await call(service, '/api/keys/generate', { json });
  assert.equal(status, 201, JSON.stringify(body));
  return { id: textMember(body, 'organization_id'), name, apiKey: textMember(body, 'api_key') };
}

/** As `call`, with the organization's key. */
export async function callWithKey(
  service: Pick<TestService, 'url'>,
  { apiKey }: Pick<TestOrganization, 'apiKey'>,
  path: string,
  request: Request = {},
): Promise<Answer> {
  return await call(service, path, { ...request, headers: { ...request.headers, 'x-api-key': apiKey } });
}

/** The exact body of an error of the events API: `error` says the same as `detail`. */
export function assertEventApiProblem(answer: Answer, status: number, code: ProblemCode): void {
  assert.equal(answer.status, status, JSON.stringify(answer.body));
  assert.equal(answer.headers.get('content-type'), 'application/problem+json; charset=utf-8');
  assert.match(answer.headers.get('x-response-time') ?? '', /^\d+\.\d\dms$/);
  if (status === 429 || status === 503) assert.match(answer.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
  const detail = textMember(answer.body, 'detail');
  assert.notEqual(detail, '');
  assert.deepEqual(answer.body, {
    detail,
    error: detail,
    code,
    type: problemType(code),
    title: problems[code].title,
    status,
    instance: `urn:irontrack:request:${answer.headers.get('x-request-id')}`,
  });
}

/** The exact body of a 422 of the events API. @param faults `field type`, in any order */
export function assertEventApiInvalid(answer: Answer, ...faults: string[]): void {
  assert.equal(member(answer.body, 'error'), member(answer.body, 'detail'));
  const { error: _, ...body } = objectOf(answer.body);
  assertInvalid({ ...answer, body }, ...faults);
}

function objectOf(body: unknown): Record<string, unknown> {
  assert.ok(typeof body === 'object' && body !== null);
  return { ...body };
}
