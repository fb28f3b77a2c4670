/** How answers become JSON: a generic walk and JSON.stringify, or code compiled from a schema. */
import { Type } from '@sinclair/typebox';

const NamedItem = Type.Object({ id: Type.Integer(), name: Type.String(), slug: Type.String() });
const NullableText = Type.Unsafe<string | null>({ type: ['string', 'null'] });
const Instant = Type.Unsafe<Date>({ type: 'string', format: 'date-time' });

export const ProfileAnswer = Type.Object({
  id: Type.String(),
  name: NullableText,
  email: Type.String(),
  isActive: Type.Boolean(),
  isSuperuser: Type.Boolean(),
  roleSlug: Type.String(),
});

export const ListAnswer = Type.Object({
  items: Type.Array(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      slug: Type.String(),
      primaryMuscles: Type.Array(NamedItem),
      secondaryMuscles: Type.Array(NamedItem),
      equipment: Type.Array(NamedItem),
      tags: Type.Array(Type.String()),
      category: Type.String(),
      difficultyLevel: Type.String(),
      force: NullableText,
      mechanic: NullableText,
      instructions: Type.String(),
      createdAt: Instant,
      updatedAt: Instant,
    }),
  ),
  limit: Type.Integer(),
  offset: Type.Integer(),
  total: Type.Integer(),
});

/** What frameworks do who know nothing of the answer: one pass to plain values, a second to text. */
export function writeTwice(value: unknown): string {
  return writeJson(walkToPlain(value));
}

/** A name of its own, so that the profile tells the second pass from the first. */
export function writeJson(plain: unknown): string {
  return JSON.stringify(plain);
}

/** Looks at the kind of every value and copies all of it. */
export function walkToPlain(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Set) return [...value].map(walkToPlain);
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([key, item]) => [key, walkToPlain(item)]));
  if (Array.isArray(value)) return value.map(walkToPlain);
  const plain: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) plain[name] = walkToPlain(member);
  return plain;
}
