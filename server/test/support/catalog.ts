/** Reference lists and exercises for tests. */
import assert from 'node:assert/strict';
import { call, member, type SignedIn, type TestService, textMember } from './service.ts';

export const listSlugs = ['muscle-groups', 'equipment', 'exercise-tags'] as const;
export type ListSlug = (typeof listSlugs)[number];

export async function addItem(
  service: TestService,
  superuser: SignedIn,
  list: ListSlug,
  name: string,
): Promise<number> {
  const answer = await call(service, `/api/v1/catalogs/${list}`, {
    bearer: superuser.accessToken,
    json: { name },
  });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return Number(member(answer.body, 'id'));
}

let serial = 0;

/** A name that nothing in this run has. */
export function newName(stem = 'Exercise'): string {
  serial += 1;
  return `${stem} ${serial}`;
}

/** What every test that creates an exercise has to give; `muscle` is an id that exists. */
export const ownExercise = (muscle: number, fields: object = {}) => ({
  name: newName(),
  primaryMuscles: [muscle],
  difficultyLevel: 'beginner',
  category: 'strength',
  ...fields,
});

export const systemExercise = (muscle: number, tag: number, fields: object = {}) => ({
  ...ownExercise(muscle),
  instructions: 'Lift it.',
  tags: [tag],
  ...fields,
});

/** Creates one. @returns its id */
export async function createExercise(
  service: TestService,
  who: SignedIn,
  scope: 'user' | 'system',
  json: object,
): Promise<string> {
  const answer = await call(service, `/api/v1/exercises/${scope}`, { bearer: who.accessToken, json });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return textMember(answer.body, 'id');
}

const fields = [
  ...['category', 'createdAt', 'createdBy', 'difficultyLevel', 'equipment', 'force', 'id', 'imagePathEnd'],
  ...['imagePathStart', 'instructions', 'mechanic', 'name', 'primaryMuscles', 'secondaryMuscles', 'slug'],
  ...['tags', 'updatedAt'],
];

/** An Exercise of the contract with nothing more than the contract names; `expected` are the members that matter. */
export function assertExercise(body: unknown, expected: Readonly<Record<string, unknown>>): void {
  assert.ok(typeof body === 'object' && body !== null);
  assert.deepEqual(Object.keys(body).sort(), fields);
  for (const [name, value] of Object.entries(expected)) assert.deepEqual(member(body, name), value, name);
}
