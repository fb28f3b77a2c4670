import { Type } from '@sinclair/typebox';

/** Building blocks shared by every domain. Strings with a `format` are checked by `server/src/http/formats.ts`. */

export const Id = Type.String({ format: 'uuid', description: 'UUIDv7.' });

/** RFC 3339 in UTC with milliseconds, such as `2026-01-31T09:30:00.000Z`. */
export const Instant = Type.String({ format: 'date-time', description: 'ISO 8601 in UTC.' });

/** RFC 5321 allows an address 254 characters. Any case; stored in lower case. */
export const Email = Type.String({
  format: 'email',
  minLength: 3,
  maxLength: 254,
  examples: ['ada@example.org'],
});

export const PersonName = Type.Union([Type.String({ minLength: 1, maxLength: 255 }), Type.Null()]);

/** Password that a person chooses: 8 to 128 characters of at least four kinds. */
export const NewPassword = Type.String({
  format: 'new-password',
  minLength: 8,
  maxLength: 128,
  description: 'Needs a lower-case and an upper-case letter, a digit and a character that is none of those.',
});

/** Password that is only compared. Imported accounts may have longer ones than people may choose here. */
export const GivenPassword = Type.String({ minLength: 1, maxLength: 1024 });

/** A time that a client gives, with its zone. */
export const GivenInstant = Type.String({
  format: 'date-time-with-zone',
  description: 'ISO 8601 with a zone, such as `2026-01-31T09:30:00Z`.',
});

export const strict = { additionalProperties: false } as const;
export const NoQuery = Type.Object({}, strict);
export const NoContent = Type.Null({ description: 'No content.' });

/** Query parameters that every numbered list takes. */
export const Paging = {
  currentPage: Type.Integer({ minimum: 1, maximum: 1_000_000, default: 1 }),
  pageSize: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
};

export const SortOrder = Type.Union([Type.Literal('asc'), Type.Literal('desc')], { default: 'asc' });

export const pageMembers = {
  limit: Type.Integer(),
  offset: Type.Integer(),
  total: Type.Integer(),
};
