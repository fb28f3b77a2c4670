/**
 * Exercises for load tests, the same for the same seed: a few of the system, the rest of generated users, of whom a
 * few have thousands and most have a handful. Each is a variant of one of our own and has its muscles.
 */
import { nameKey, slugOf } from '../names.ts';
import { createRandom } from './random.ts';
import { seedExercises } from './seed-exercises.ts';
import type { SeedExercise } from './vocabulary.ts';

export interface GeneratedUser {
  id: string;
  email: string;
  name: string;
  createdAt: Date;
}

export interface GeneratedExercise {
  id: string;
  /** Null for a system exercise. */
  ownerId: string | null;
  name: string;
  createdAt: Date;
  /** What it is a variant of. */
  base: SeedExercise;
  /** Some have none, as with people. */
  hasInstructions: boolean;
}

export interface Generated {
  users: readonly GeneratedUser[];
  count: number;
  /** Rows that tie the exercises to muscles, equipment and tags. */
  relatedCount: number;
  /** In the order of creation, owners mixed, as a table grows in real life. The same each time. */
  exercises(): Iterable<GeneratedExercise>;
}

interface Options {
  count: number;
  seed: number;
  /** Names and slugs of system exercises that are there already. */
  taken: { nameKeys: ReadonlySet<string>; slugs: ReadonlySet<string> };
}

/** The years over which they were made end here: a fixed day, so that the data is the same tomorrow. */
const latest = Date.UTC(2026, 0, 1);
const spanMs = 2 * 365 * 24 * 60 * 60 * 1_000;

const systemShare = 0.01;
const exercisesPerUser = 50;

const tempos = 'Slow,Fast,Heavy,Light,Paused,Tempo,Explosive,Strict,Easy,Beginner,Advanced'.split(',');
const forms =
  'Wide,Narrow,Single-Arm,Single-Leg,Alternating,Seated,Standing,Kneeling,Assisted,Weighted,Deficit,Banded'.split(
    ',',
  );
const endings = [
  'for Time',
  'to Failure',
  '5x5',
  '3x10',
  'Drop Set',
  'Superset',
  'with Pause',
  'Warm-Up',
  'Finisher',
  'Day A',
  'Day B',
  'Home Version',
];
const firstNames = 'Ada,Ben,Chloe,Dina,Emil,Fatima,Goran,Hana,Ines,Jonas,Kofi,Lena,Mateo,Nora,Omar,Pia'.split(
  ',',
);
const lastNames =
  'Abbott,Berg,Castro,Diaz,Ekman,Fischer,Gupta,Hansen,Ito,Jensen,Kaya,Lopez,Moreau,Novak'.split(',');

const parts = [seedExercises, ['', ...forms], ['', ...endings], ['', ...tempos]] as const;
const variants = parts.reduce((product, list) => product * list.length, 1);

/** So many take half a gigabyte of memory while they are written. */
export const mostGeneratedExercises = 2_000_000;

/** The e-mail of the first user of a seed tells whether it was generated before. */
export function generatedEmail(seed: number, index: number): string {
  return `generated-${seed}-${index + 1}@irontrack.invalid`;
}

export function generateExercises({ count, seed, taken }: Options): Generated {
  const random = createRandom(seed);
  const systemCount = Math.max(1, Math.round(count * systemShare));
  const users = generateUsers(Math.max(1, Math.round(count / exercisesPerUser)), seed, random);
  const owners = shuffle(spreadOwners(count, systemCount, users.length), random);
  const choices = chooseVariants(owners, taken, random);
  const drawSeed = Math.floor(random() * 2 ** 32);
  return {
    users,
    count,
    relatedCount: choices.reduce((sum, variant, index) => {
      const { primary, secondary, equipment, tags } = readBase(variant);
      const tagCount = (owners[index] ?? 0) < 0 ? tags.length : 0;
      return sum + primary.length + secondary.length + equipment.length + tagCount;
    }, 0),
    *exercises() {
      const draw = createRandom(drawSeed);
      for (const [index, owner] of owners.entries()) {
        const createdAt = new Date(latest - spanMs + Math.floor(((index + draw()) / count) * spanMs));
        const { name, base } = readVariant(choices[index] ?? 0);
        yield {
          id: makeId(createdAt, draw),
          ownerId: owner < 0 ? null : (users[owner]?.id ?? null),
          name,
          createdAt,
          base,
          hasInstructions: owner < 0 || draw() < 0.4,
        };
      }
    },
  };
}

function generateUsers(count: number, seed: number, random: () => number): GeneratedUser[] {
  return Array.from({ length: count }, (_, index) => {
    const createdAt = new Date(latest - spanMs - Math.floor(((count - index) / count) * spanMs));
    const pick = (names: readonly string[]) => names[Math.floor(random() * names.length)] ?? '';
    return {
      id: makeId(createdAt, random),
      email: generatedEmail(seed, index),
      name: `${pick(firstNames)} ${pick(lastNames)}`,
      createdAt,
    };
  });
}

/**
 * Whose each exercise is: -1 for the system, else the user's place. The shares of the users fall as 1 / (rank + 10),
 * Zipf's law with a blunted head: of 10,000 users with 495,000 exercises the first has about 6,500, the middle one 14.
 */
function spreadOwners(count: number, systemCount: number, userCount: number): Int32Array {
  const owners = new Int32Array(count).fill(-1);
  const weight = (rank: number) => 1 / (rank + 10);
  let weightLeft = 0;
  for (let rank = 1; rank <= userCount; rank += 1) weightLeft += weight(rank);
  let left = count - systemCount;
  let place = systemCount;
  for (let user = 0; user < userCount; user += 1) {
    const share = user === userCount - 1 ? left : Math.round((left * weight(user + 1)) / weightLeft);
    owners.fill(user, place, place + share);
    place += share;
    left -= share;
    weightLeft -= weight(user + 1);
  }
  return owners;
}

function shuffle(values: Int32Array, random: () => number): Int32Array {
  for (let last = values.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    const kept = values[last] ?? 0;
    values[last] = values[other] ?? 0;
    values[other] = kept;
  }
  return values;
}

/** Plain names are more popular than long ones, and nobody has a name twice. */
function chooseVariants(owners: Int32Array, taken: Options['taken'], random: () => number): Int32Array {
  const choices = new Int32Array(owners.length);
  const used = new Set<number>();
  for (const [index, owner] of owners.entries()) {
    const draw = () => Math.floor(random() ** 3 * variants);
    let variant = draw();
    // Drawn again, not counted up: the plain names of a large owner are all used, and soon left behind.
    while (used.has(key(owner, variant)) || (owner < 0 && isTaken(variant, taken))) variant = draw();
    used.add(key(owner, variant));
    choices[index] = variant;
  }
  return choices;
}

function key(owner: number, variant: number): number {
  return (owner + 1) * variants + variant;
}

function isTaken(variant: number, { nameKeys, slugs }: Options['taken']): boolean {
  const { name } = readVariant(variant);
  return nameKeys.has(nameKey(name)) || slugs.has(slugOf(name));
}

/** The number is the four parts of a name, the exercise first: low numbers are plain names. */
function readVariant(variant: number): { name: string; base: SeedExercise } {
  const [bases, ...words] = parts;
  const base = readBase(variant);
  let rest = Math.floor(variant / bases.length);
  const [form = '', ending = '', tempo = ''] = words.map((list) => {
    const word = list[rest % list.length];
    rest = Math.floor(rest / list.length);
    return word;
  });
  return { name: [tempo, form, base.name, ending].filter((word) => word !== '').join(' '), base };
}

function readBase(variant: number): SeedExercise {
  const base = seedExercises[variant % seedExercises.length];
  if (base === undefined) throw new Error(`There is no variant ${variant}.`);
  return base;
}

/** A UUIDv7 of that time. */
function makeId(time: Date, random: () => number): string {
  const hex = (digits: number) =>
    Math.floor(random() * 16 ** digits)
      .toString(16)
      .padStart(digits, '0');
  const milliseconds = time.getTime().toString(16).padStart(12, '0');
  const variant = '89ab'[Math.floor(random() * 4)];
  return `${milliseconds.slice(0, 8)}-${milliseconds.slice(8)}-7${hex(3)}-${variant}${hex(3)}-${hex(6)}${hex(6)}`;
}
