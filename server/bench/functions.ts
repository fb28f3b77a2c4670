/**
 * The functions on the service's hot paths, as benchmarks for `npm run bench`: a benchmark file is plain data, so it
 * needs nothing of the lab. server/src/crypto/token-costs.bench.ts takes the tokens further apart.
 */
import { randomBytes } from 'node:crypto';
import { Exercise } from '@irontrack/contract/exercises.ts';
import buildSerializer from 'fast-json-stringify';
import { createAccessTokenIssuer, verifyAccessToken } from '../src/crypto/access-token.ts';
import { createHashQueue } from '../src/crypto/hash-queue.ts';
import { createPasswordHasher } from '../src/crypto/password-hash.ts';
import {
  createFirstRefreshToken,
  createSuccessor,
  parseRefreshToken,
  secretMatches,
  tagMatches,
} from '../src/crypto/refresh-token.ts';
import { createSigningKey } from '../src/crypto/signing-key.ts';
import { type ExerciseRow, toExercise } from '../src/exercises/exercise-row.ts';
import { slugOf } from '../src/exercises/names.ts';
import { joinPage, pageItem } from '../src/exercises/page-cache.ts';
import { seedExercises } from '../src/exercises/seed/seed-exercises.ts';

const nowSeconds = 1_800_000_000;
const id = '01890a5d-ac96-774b-bcce-b302099a8057';

const hasher = createPasswordHasher({
  // The defaults of docs/configuration.md.
  parameters: { memoryKib: 65_536, passes: 3, parallelism: 1 },
  queue: createHashQueue({ concurrency: 1, maxWaitMs: 10_000, now: () => performance.now() }),
  randomBytes,
});
const password = 'Correct-Horse-7';
let storedHash = '';

const key = createSigningKey(randomBytes(32));
const names = { issuer: 'irontrack', audience: 'irontrack' };
const issue = createAccessTokenIssuer({ key, ...names, ttlSeconds: 1_800 });
const subject = { sub: id, sid: id, jti: id, nowSeconds };
const { token } = issue(subject);
const verification = { ...names, findKey: () => key.publicKey, nowSeconds, leewaySeconds: 5 };

const refresh = createFirstRefreshToken(id, randomBytes);

/** What a rotation computes; its statement is in the benchmark of POST /api/v1/auth/refresh. */
function rotate(): string {
  const presented = parseRefreshToken(refresh.token);
  if (presented === undefined || !tagMatches(refresh.tagKey, presented)) throw new Error('The tag is wrong.');
  if (!secretMatches(presented.secret, refresh.currentHash)) throw new Error('The secret is wrong.');
  return createSuccessor(refresh.tagKey, presented, randomBytes(32)).token;
}

/** The serialiser of the service, and 50 of the exercises that come with it, as the first page of the catalog shows. */
const serializeExercise = buildSerializer(Exercise);
const exerciseRows = seedExercises.slice(0, 50).map((exercise, index): ExerciseRow => {
  const items = (names: readonly string[]) =>
    names.length === 0 ? null : names.map((name, place) => ({ id: place + 1, name }));
  return {
    id: `01890a5d-ac96-774b-bcce-b302099a80${String(index).padStart(2, '0')}`,
    name: exercise.name,
    primaryMuscles: items(exercise.primary),
    secondaryMuscles: items(exercise.secondary),
    force: exercise.force,
    difficultyLevel: exercise.level,
    mechanic: exercise.mechanic,
    equipment: items(exercise.equipment),
    category: exercise.category,
    instructions: exercise.steps.join('\n'),
    imagePathStart: null,
    imagePathEnd: null,
    tags: items(exercise.tags),
    slug: slugOf(exercise.name),
    createdBy: null,
    createdAt: new Date('2026-01-31T09:30:00.000Z'),
    updatedAt: new Date('2026-02-28T18:05:12.345Z'),
  };
});
const members = JSON.stringify({ limit: 50, offset: 0, total: seedExercises.length, next_cursor: null });

const toItem = (row: ExerciseRow) => pageItem(serializeExercise(toExercise(row, '')));
const knownItems = exerciseRows.map(toItem);

export async function setUp(): Promise<void> {
  storedHash = await hasher.hash(password);
}

export const benchmarks = [
  { name: 'password hash', run: () => hasher.hash(password) },
  {
    name: 'password verify',
    async run() {
      const { matches } = await hasher.verify(storedHash, password);
      if (!matches) throw new Error('The password should match.');
    },
  },
  { name: 'access token create', run: () => issue(subject).token },
  {
    name: 'access token verify',
    run() {
      const claims = verifyAccessToken(token, verification);
      if (claims === undefined) throw new Error('The token should be good.');
      return claims;
    },
  },
  { name: 'refresh token create', run: () => createFirstRefreshToken(id, randomBytes).token },
  { name: 'refresh token rotate', run: rotate },
  // What a page costs of which nothing is at hand, and one whose items are.
  { name: 'serialise 50 exercises', run: () => joinPage(exerciseRows.map(toItem), members).body },
  { name: 'join 50 exercises at hand', run: () => joinPage(knownItems, members).body },
];
