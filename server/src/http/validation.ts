/** Validates what comes in, and says every fault at once in the words of the contract. */
import type { ValidationDetail } from '@irontrack/contract/problem-body.ts';
import { Ajv, type ErrorObject } from 'ajv';
import type { FastifyRequest, FastifySchemaCompiler, preValidationHookHandler } from 'fastify';
import { mostFaults, ValidationProblem } from '../problem.ts';
import { formats, missingFromPassword } from './formats.ts';
import { unusableText } from './json-body.ts';
import type { LazyCompiler } from './lazy-compiler.ts';

const options = {
  allErrors: true,
  useDefaults: true,
  strict: true,
  allowUnionTypes: true,
  verbose: true,
  formats,
} as const;

/**
 * Compiles the schemas of the routes for Fastify. Path and query are text, so numbers and booleans are read out of it,
 * and a parameter that may be repeated is a list also when it came once.
 */
export function createValidatorCompiler({ defer }: LazyCompiler): FastifySchemaCompiler<object> {
  const bodies = new Ajv(options);
  const texts = new Ajv({ ...options, coerceTypes: 'array' });
  return ({ schema, httpPart }) => {
    return defer(() => {
      const validate = (httpPart === 'body' ? bodies : texts).compile(schema);
      return (value: unknown) => {
        const isValid = validate(value);
        // A body was looked through when it was parsed.
        const faults = isValid && httpPart !== 'body' ? findUnusableTexts(value) : [];
        if (isValid && faults.length === 0) return { value };
        return { error: new ValidationProblem(isValid ? faults : describeFaults(validate.errors ?? [])) };
      };
    });
  };
}

/** What a route that takes no body does before anything else: no field of a body is known to it. */
export const refuseBodyFields: preValidationHookHandler = ({ body }, _reply, done) => {
  const fields = typeof body === 'object' && body !== null ? Object.keys(body).slice(0, mostFaults) : [];
  const faults = fields.map((field) => ({ ...unknownField(), field: field.slice(0, 100) }));
  done(faults.length === 0 ? undefined : new ValidationProblem(faults));
};

/** Fastify stops at the first part of a request that does not validate; this asks them all. */
export function findAllFaults(request: FastifyRequest): ValidationDetail[] {
  const parts = [
    ['params', request.params],
    ['body', request.body ?? null],
    ['querystring', request.query],
  ] as const;
  return parts.flatMap(([part, value]) => {
    const found: unknown = request.getValidationFunction(part);
    // Where the schema of a body depends on its content type, there is a table of functions.
    const validate: unknown =
      typeof found === 'object' && found !== null ? Reflect.get(found, request.mediaType ?? '') : found;
    const outcome: unknown = typeof validate === 'function' ? validate(value) : undefined;
    const error = typeof outcome === 'object' && outcome !== null && 'error' in outcome && outcome.error;
    return error instanceof ValidationProblem ? error.details : [];
  });
}

/** A NUL in a path or query would be an error of the database. */
function findUnusableTexts(values: unknown): ValidationDetail[] {
  if (typeof values !== 'object' || values === null) return [];
  return Object.entries(values).flatMap(([field, value]) => {
    const message = typeof value === 'string' ? unusableText(value) : undefined;
    return message === undefined ? [] : [{ type: 'string_unicode', field, message }];
  });
}

function describeFaults(errors: readonly ErrorObject[]): ValidationDetail[] {
  const details: ValidationDetail[] = [];
  for (const error of errors) {
    const detail = describeFault(error);
    // A union reports each of its branches; the client made one mistake.
    if (detail === undefined || details.some((known) => known.field === detail.field)) continue;
    details.push(detail);
    if (details.length === mostFaults) break;
  }
  return details;
}

function unknownField(): { type: string; message: string } {
  return { type: 'extra_forbidden', message: 'This field is not known here' };
}

type Describe = (error: ErrorObject) => { type: string; message: string };

/** One row a JSON Schema keyword. The types are the names that clients of the original service know. */
const descriptions: Readonly<Record<string, Describe>> = {
  required: () => ({ type: 'missing', message: 'Field required' }),
  additionalProperties: unknownField,
  minLength: ({ params }) => ({
    type: 'string_too_short',
    message: `Should have at least ${params.limit} character${params.limit === 1 ? '' : 's'}`,
  }),
  maxLength: ({ params }) => ({
    type: 'string_too_long',
    message: `Should have at most ${params.limit} characters`,
  }),
  minimum: ({ params }) => ({
    type: 'greater_than_equal',
    message: `Should be greater than or equal to ${params.limit}`,
  }),
  maximum: ({ params }) => ({
    type: 'less_than_equal',
    message: `Should be less than or equal to ${params.limit}`,
  }),
  minItems: ({ params }) => ({
    type: 'too_short',
    message: `Should have at least ${params.limit} item${params.limit === 1 ? '' : 's'}`,
  }),
  maxItems: ({ params }) => ({ type: 'too_long', message: `Should have at most ${params.limit} items` }),
  pattern: ({ params }) => ({
    type: 'string_pattern_mismatch',
    message: `Should match ${params.pattern}`,
  }),
  type: ({ params }) => {
    const [type, ...others] = [params.type].flat();
    return { type: `${type}_type`, message: `Should be a valid ${[type, ...others].join(' or ')}` };
  },
  anyOf: ({ parentSchema }) => ({ type: 'literal_error', message: `Should be ${choices(parentSchema)}` }),
  format: ({ params, data }) => describeFormat(params.format, data),
};

function describeFault(error: ErrorObject): ValidationDetail | undefined {
  // Inside a union, the union's own error says it better.
  if (/\/anyOf\/\d+\//.test(error.schemaPath)) return undefined;
  const { type, message } = descriptions[error.keyword]?.(error) ?? {
    type: error.keyword,
    message: error.message ?? 'Not valid',
  };
  return { type, field: fieldOf(error), message };
}

function fieldOf(error: ErrorObject): string {
  if (typeof error.params.missingProperty === 'string') return error.params.missingProperty;
  if (typeof error.params.additionalProperty === 'string')
    return error.params.additionalProperty.slice(0, 100);
  const segments = error.instancePath
    .split('/')
    .filter((segment) => segment !== '' && !/^\d+$/.test(segment));
  return (segments.at(-1) ?? 'body').replaceAll('~1', '/').replaceAll('~0', '~');
}

function choices(schema: unknown): string {
  if (typeof schema !== 'object' || schema === null || !('anyOf' in schema) || !Array.isArray(schema.anyOf)) {
    return 'one of the allowed values';
  }
  const names = schema.anyOf.map((branch: { const?: unknown; type?: unknown }) =>
    branch.const === undefined ? String(branch.type) : `'${branch.const}'`,
  );
  return names.length === 1 ? `${names[0]}` : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}

function describeFormat(format: unknown, data: unknown): { type: string; message: string } {
  if (format === 'new-password' && typeof data === 'string') {
    return { type: 'value_error', message: `A password needs ${missingFromPassword(data).join(', ')}` };
  }
  const sentences: Readonly<Record<string, [string, string]>> = {
    email: ['value_error', 'Should be an e-mail address such as ada@example.org'],
    'web-address-or-nothing': ['url_parsing', 'Should be an http or https address, or nothing'],
    uuid: ['uuid_parsing', 'Should be a UUID'],
    'date-time-with-zone': [
      'timezone_aware',
      'Should be an ISO 8601 time with a zone, such as 2026-01-31T09:30:00Z',
    ],
  };
  const [type, message] = sentences[String(format)] ?? ['value_error', 'Not in the expected format'];
  return { type, message };
}
