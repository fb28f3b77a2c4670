/**
 * The functions on the service's hot paths, as benchmarks for `npm run bench`: a benchmark file is plain data, so it
 * needs nothing of the lab. server/src/crypto/token-costs.bench.ts takes the tokens further apart.
 */
import { randomBytes } from 'node:crypto';
import { Type } from '@sinclair/typebox';
import fastJson from 'fast-json-stringify';
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

/** The exercises have no contract yet; this is the size and the mix of fields they will have. */
const exercise = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: Type.String(),
  muscleGroups: Type.Array(Type.String()),
  equipment: Type.Union([Type.String(), Type.Null()]),
  difficulty: Type.String(),
  sets: Type.Integer(),
  repetitions: Type.Integer(),
  restSeconds: Type.Integer(),
  weightKg: Type.Union([Type.Number(), Type.Null()]),
  isPublic: Type.Boolean(),
  createdAt: Type.String(),
  updatedAt: Type.String(),
});
const page = Type.Object({
  items: Type.Array(exercise),
  limit: Type.Integer(),
  offset: Type.Integer(),
  total: Type.Integer(),
});
const serialize = fastJson(page);
const exercises = {
  items: Array.from({ length: 50 }, (_, index) => ({
    id: `01890a5d-ac96-774b-bcce-b302099a80${String(index).padStart(2, '0')}`,
    name: `Barbell back squat, variation ${index}`,
    description:
      'Stand with the bar on your upper back, "brace", sit down between your hips until the thighs are level, and drive up through the whole foot.',
    muscleGroups: ['quadriceps', 'glutes', 'adductors', 'core'],
    equipment: index % 3 === 0 ? null : 'barbell',
    difficulty: 'intermediate',
    sets: 5,
    repetitions: 5,
    restSeconds: 180,
    weightKg: index % 3 === 0 ? null : 82.5,
    isPublic: true,
    createdAt: '2026-01-31T09:30:00.000Z',
    updatedAt: '2026-02-28T18:05:12.345Z',
  })),
  limit: 50,
  offset: 0,
  total: 1_234,
};

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
  { name: 'serialise 50 exercises', run: () => serialize(exercises) },
];
