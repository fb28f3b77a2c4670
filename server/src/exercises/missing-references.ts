import { Problem } from '../problem.ts';
import type { MissingReferences } from './exercises.sql.ts';

/** The sentences are API: clients of the original read the ids out of them. */
export function describeMissing({
  primary,
  secondary,
  equipment,
  tags,
}: MissingReferences): Problem | undefined {
  const code = 'exercise-references-not-found';
  if (primary.length > 0 && secondary.length > 0) {
    return new Problem(code, `Primary ${spell(primary)} and secondary ${spell(secondary)} muscles not found`);
  }
  if (primary.length > 0) return new Problem(code, `Primary muscles not found: ${spell(primary)}`);
  if (secondary.length > 0) return new Problem(code, `Secondary muscles not found: ${spell(secondary)}`);
  if (equipment.length > 0) return new Problem(code, `Equipment not found: ${spell(equipment)}`);
  if (tags.length > 0) return new Problem(code, `Tags not found: ${spell(tags)}`);
  return undefined;
}

function spell(ids: readonly number[]): string {
  return `[${ids.join(', ')}]`;
}
