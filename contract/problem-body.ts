import { type Static, Type } from '@sinclair/typebox';

/** The members of RFC 9457 that every error body carries, plus the code of the error table. */
const problemMembers = {
  code: Type.String({ description: 'Stable name of the error; see the error table.' }),
  type: Type.String({ description: 'RFC 9457: `urn:irontrack:problem:<code>`.' }),
  title: Type.String({ description: 'RFC 9457: one sentence for the kind of error.' }),
  status: Type.Integer({ description: 'RFC 9457: the HTTP status.' }),
  instance: Type.String({
    description: 'RFC 9457: this occurrence, `urn:irontrack:request:<x-request-id>`.',
  }),
};

export const ProblemBody = Type.Object(
  { detail: Type.String({ description: 'What happened and what to do.' }), ...problemMembers },
  { title: 'Problem' },
);
export type ProblemBody = Static<typeof ProblemBody>;

export const ValidationDetail = Type.Object(
  {
    type: Type.String({ description: 'What is wrong, such as `missing` or `string_too_short`.' }),
    field: Type.String({
      description: 'The field as the client wrote it; `body` for a rule over the whole.',
    }),
    message: Type.String(),
  },
  { title: 'ValidationDetail' },
);
export type ValidationDetail = Static<typeof ValidationDetail>;

export const ValidationProblemBody = Type.Object(
  {
    message: Type.Literal('Validation Error'),
    details: Type.Array(ValidationDetail),
    detail: Type.String(),
    ...problemMembers,
  },
  { title: 'ValidationProblem' },
);
export type ValidationProblemBody = Static<typeof ValidationProblemBody>;

/** In the events API an error says its sentence in `error` too. */
const eventApiMembers = { error: Type.String({ description: 'The same as `detail`.' }) };

export const EventApiProblemBody = Type.Object(
  { ...ProblemBody.properties, ...eventApiMembers },
  { title: 'EventApiProblem' },
);
export type EventApiProblemBody = Static<typeof EventApiProblemBody>;

export const EventApiValidationProblemBody = Type.Object(
  { ...ValidationProblemBody.properties, ...eventApiMembers },
  { title: 'EventApiValidationProblem' },
);
export type EventApiValidationProblemBody = Static<typeof EventApiValidationProblemBody>;
