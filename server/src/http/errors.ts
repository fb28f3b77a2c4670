/** Errors leave through here: one shape for all, and nothing in it that only the log may know. */

import type { ServerResponse } from 'node:http';
import type {
  EventApiProblemBody,
  EventApiValidationProblemBody,
  ProblemBody,
  ValidationProblemBody,
} from '@irontrack/contract/problem-body.ts';
import { type ProblemCode, problems, problemType } from '@irontrack/contract/problems.ts';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { Problem, ValidationProblem } from '../problem.ts';
import type { ReportFailure } from '../telemetry/failure-log.ts';
import { isEventApi } from './event-api.ts';
import { findAllFaults } from './validation.ts';

export const problemMediaType = 'application/problem+json; charset=utf-8';

/** What Fastify itself throws, in our words. Anything else it throws is a fault of ours. */
const frameworkProblems: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body-too-large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed-request',
  FST_ERR_BAD_URL: 'malformed-request',
  FST_ERR_MAX_PARAM_LENGTH: 'uri-too-long',
};

type AnyProblemBody =
  | ProblemBody
  | ValidationProblemBody
  | EventApiProblemBody
  | EventApiValidationProblemBody;

export function problemBody(problem: Problem, requestId: string, url?: string): AnyProblemBody {
  const members = {
    detail: problem.message,
    ...(isEventApi(url) ? { error: problem.message } : {}),
    code: problem.code,
    type: problemType(problem.code),
    title: problems[problem.code].title,
    status: problem.status,
    instance: `urn:irontrack:request:${requestId}`,
    ...problem.members,
  };
  return problem instanceof ValidationProblem
    ? { message: 'Validation Error', details: [...problem.details], ...members }
    : members;
}

/** Answers with a problem; the way out for the error handler and for hooks alike. */
export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  const { routeOptions, url } = reply.request;
  return reply
    .code(problem.status)
    .headers(problem.headers)
    .header('content-type', problemMediaType)
    .send(JSON.stringify(problemBody(problem, reply.request.id, routeOptions.url ?? url)));
}

/** As the error handler, for what never came to Fastify: a route that is answered past it. */
export function answerProblem(
  response: ServerResponse,
  requestId: string,
  error: unknown,
  url: string,
): Problem {
  const problem = asProblem(error);
  const body = JSON.stringify(problemBody(problem, requestId, url));
  const headers = { ...problem.headers, 'content-type': problemMediaType };
  response.writeHead(problem.status, { ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(body);
  return problem;
}

/** The error handler of the application. */
export function createErrorHandler(report: ReportFailure) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const problem = isOfOnePart(error) ? withAllFaults(error, request) : asProblem(error);
    // Fastify closes the connection when a body cannot be used. A client that is still sending it would get a reset
    // before it has read the answer; left open, node:http throws the rest away until the request times out.
    // Only then: a removed header is one that node:http leaves out, also where it or we want the connection closed.
    if (reply.hasHeader('connection') && !reply.raw.hasHeader('connection')) reply.removeHeader('connection');
    if (problem.status >= 500) report(error, request.id, request.routeOptions.url);
    return sendProblem(reply, problem);
  };
}

/** Fastify marks what a validator of the route found, as opposed to a parser or a handler. */
function isOfOnePart(error: unknown): error is ValidationProblem {
  return error instanceof ValidationProblem && 'validationContext' in error;
}

function withAllFaults(error: ValidationProblem, request: FastifyRequest): ValidationProblem {
  const faults = findAllFaults(request);
  return faults.length > error.details.length ? new ValidationProblem(faults) : error;
}

function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const code = isFrameworkError(error) ? frameworkProblems[error.code] : undefined;
  return new Problem(code ?? 'internal-error', undefined, { cause: error });
}

function isFrameworkError(error: unknown): error is FastifyError {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}
