import { SystemExerciseCreation } from '@irontrack/contract/exercises.ts';
import { nameKey, slugOf, tidyName } from '../names.ts';
import {
  categories,
  equipmentOf,
  forces,
  levels,
  mechanics,
  muscleOf,
  tagsOf,
} from './free-exercise-words.ts';
import { describeKind, quote } from './quote.ts';
import type { SystemExercise } from './system-exercises.ts';
import type { SeedMuscleGroup } from './vocabulary.ts';

type RowResult = { exercise: SystemExercise } | { reason: string };

/** Why a row cannot be taken. Ends up in `reason`. */
class RowFault extends Error {}

/** @returns a function that reads one row after the other and remembers which ids and slugs there were */
export function createRowReader(): (value: unknown, row: number, makeId: () => string) => RowResult {
  const rowOfId = new Map<string, number>();
  const rowOfSlug = new Map<string, number>();
  return (value, row, makeId) => {
    try {
      const members = readMembers(value);
      const id = readText(members, 'id');
      if (!/^[0-9a-zA-Z_-]{1,200}$/.test(id)) {
        throw new RowFault(`id must be letters, digits, "-" and "_" (200 at most), not ${quote(id)}`);
      }
      claim(rowOfId, id, row, 'its id');
      const exercise = readExercise(members, makeId());
      claim(rowOfSlug, exercise.slug, row, `the slug ${quote(exercise.slug)} of its name`);
      return { exercise };
    } catch (error) {
      if (error instanceof RowFault) return { reason: error.message };
      throw error;
    }
  };
}

function claim(rows: Map<string, number>, key: string, row: number, what: string): void {
  const earlier = rows.get(key);
  if (earlier !== undefined) throw new RowFault(`${what} is that of row ${earlier} already`);
  rows.set(key, row);
}

type Members = ReadonlyMap<string, unknown>;

function readMembers(value: unknown): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RowFault(`it must be an object, not ${describeKind(value)}`);
  }
  const members = new Map(Object.entries(value));
  if (members.has('__proto__'))
    throw new RowFault('it has a member __proto__, which nothing of the format has');
  return members;
}

function readExercise(members: Members, id: string): SystemExercise {
  const name = readName(members);
  const primary = unique(
    readList(members, 'primaryMuscles').map((muscle) => readMuscle('primaryMuscles', muscle)),
  );
  const [first, ...others] = primary;
  if (first === undefined) throw new RowFault('primaryMuscles must name at least one muscle');
  const secondary = readList(members, 'secondaryMuscles').map((muscle) =>
    readMuscle('secondaryMuscles', muscle),
  );
  const category = readChoice(members, 'category', categories);
  const equipment = readEquipment(members);
  const [imagePathStart, imagePathEnd] = readImages(members);
  return {
    id,
    name,
    nameKey: nameKey(name),
    slug: slugOf(name),
    primary: [first, ...others],
    // Some rows name a muscle in both lists.
    secondary: unique(secondary).filter((muscle) => !primary.includes(muscle)),
    force: members.get('force') == null ? null : readChoice(members, 'force', forces),
    level: readChoice(members, 'level', levels),
    mechanic: members.get('mechanic') == null ? null : readChoice(members, 'mechanic', mechanics),
    category,
    equipment,
    tags: tagsOf(category, primary, equipment),
    instructions: readInstructions(members),
    imagePathStart,
    imagePathEnd,
  };
}

function readName(members: Members): string {
  const name = tidyName(readText(members, 'name'));
  const { minLength = 0, maxLength = 0 } = SystemExerciseCreation.properties.name;
  const length = [...name].length;
  if (length < minLength || length > maxLength) {
    throw new RowFault(`name must have ${minLength} to ${maxLength} characters, and has ${length}`);
  }
  if (/\p{Cc}/u.test(name)) throw new RowFault(`name has control characters: ${quote(name)}`);
  if (slugOf(name) === '') throw new RowFault(`name needs a letter or a digit, and is ${quote(name)}`);
  return name;
}

/** One step a line. A few rows have none. */
function readInstructions(members: Members): string | null {
  const steps = readList(members, 'instructions').map((step) => {
    if (typeof step !== 'string')
      throw new RowFault(`instructions must hold text alone, not ${describeKind(step)}`);
    return requireWellFormed('instructions', step.replaceAll(/\s+/g, ' ').trim());
  });
  const text = steps.filter((step) => step !== '').join('\n');
  const { maxLength = 0 } = SystemExerciseCreation.properties.instructions;
  const length = [...text].length;
  if (length > maxLength) {
    throw new RowFault(`instructions may have ${maxLength} characters in all, and have ${length}`);
  }
  if (/[^\n\P{Cc}]/u.test(text)) throw new RowFault('instructions have control characters');
  return text === '' ? null : text;
}

/** What the contract lets through; a test holds it against that. */
export const imagePath = /^\/[a-z0-9_-]+\/[a-z0-9_-]+\.(jpg|jpeg|png|webp)$/;
const longestImagePath = 255;

/** The first image shows the start of the movement and the last its end. */
function readImages(members: Members): [string | null, string | null] {
  const paths = readList(members, 'images').map((image) => {
    if (typeof image !== 'string')
      throw new RowFault(`images must hold text alone, not ${describeKind(image)}`);
    const path = `/${image.replace(/^(?:\.?\/)+/, '').toLowerCase()}`;
    if (!imagePath.test(path) || path.length > longestImagePath) {
      throw new RowFault(
        `the image ${quote(image)} must be a path such as Squat/0.jpg (jpg, jpeg, png or webp)`,
      );
    }
    return path;
  });
  const [start = null, ...more] = paths;
  return [start, more.at(-1) ?? null];
}

function readEquipment(members: Members): SystemExercise['equipment'] {
  const given = members.get('equipment');
  if (given == null) return [];
  const equipment = typeof given === 'string' ? equipmentOf.get(given) : undefined;
  if (equipment !== undefined) return [equipment];
  throw new RowFault(`equipment must be ${listWords(equipmentOf.keys())} or null, not ${quote(given)}`);
}

function readMuscle(member: string, given: unknown): SeedMuscleGroup {
  const muscle = typeof given === 'string' ? muscleOf.get(given) : undefined;
  if (muscle !== undefined) return muscle;
  throw new RowFault(`${member} must name ${listWords(muscleOf.keys())}, not ${quote(given)}`);
}

function readChoice<Choice extends string>(
  members: Members,
  member: string,
  choices: readonly Choice[],
): Choice {
  const given = readText(members, member);
  const choice = choices.find((each) => each === given);
  if (choice !== undefined) return choice;
  throw new RowFault(`${member} must be ${listWords(choices)}, not ${quote(given)}`);
}

function readText(members: Members, member: string): string {
  const given = members.get(member);
  if (given === undefined) throw new RowFault(`${member} is missing`);
  if (typeof given !== 'string') throw new RowFault(`${member} must be text, not ${describeKind(given)}`);
  return requireWellFormed(member, given);
}

/** PostgreSQL stores neither half a character nor NUL. The control characters are each reader's to judge. */
function requireWellFormed(member: string, text: string): string {
  if (!text.isWellFormed()) throw new RowFault(`${member} has half of a UTF-16 pair, which is no character`);
  return text;
}

function readList(members: Members, member: string): readonly unknown[] {
  const given = members.get(member);
  if (given === undefined) throw new RowFault(`${member} is missing`);
  if (!Array.isArray(given)) throw new RowFault(`${member} must be a list, not ${describeKind(given)}`);
  return given;
}

function unique<Item>(items: readonly Item[]): Item[] {
  return [...new Set(items)];
}

function listWords(words: Iterable<string>): string {
  const [last = '', ...others] = [...words].reverse();
  return others.length === 0 ? last : `${others.reverse().join(', ')} or ${last}`;
}
