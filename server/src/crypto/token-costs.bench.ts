/**
 * What tokens cost, in microseconds of one core: `node server/src/crypto/token-costs.bench.ts`. Each line is the
 * median of 15 rounds with the quartiles beside it; the bare signature is there to tell the machine from the code.
 */
import { randomBytes, sign, verify } from 'node:crypto';
import { createAccessTokenIssuer, verifyAccessToken } from './access-token.ts';
import {
  createFirstRefreshToken,
  createSuccessor,
  parseRefreshToken,
  secretMatches,
  tagMatches,
} from './refresh-token.ts';
import { createSigningKey } from './signing-key.ts';

const nowSeconds = 1_800_000_000;
const key = createSigningKey(randomBytes(32));
const sessionId = '01890a5d-ac96-774b-bcce-b302099a8057';
const subject = { sub: sessionId, sid: sessionId, jti: sessionId, nowSeconds };
const issue = createAccessTokenIssuer({ key, issuer: 'irontrack', audience: 'irontrack', ttlSeconds: 1_800 });
const options = {
  findKey: () => key.publicKey,
  issuer: 'irontrack',
  audience: 'irontrack',
  nowSeconds,
  leewaySeconds: 5,
};
const { token } = issue(subject);
const reordered = Buffer.from(`{"kid":"${key.kid}","typ":"at+jwt","alg":"EdDSA"}`).toString('base64url');
const signed = Buffer.from(`${reordered}.${token.split('.')[1]}`);
const foreign = `${signed}.${sign(null, signed, key.privateKey).toString('base64url')}`;
const lookalike = `${token.slice(0, token.lastIndexOf('.') - 4)}AAAA.${'A'.repeat(86)}`;
const message = Buffer.from(token.slice(0, token.lastIndexOf('.')));
const signature = sign(null, message, key.privateKey);

const refresh = createFirstRefreshToken(sessionId, randomBytes);
function rotate(): void {
  const parsed = parseRefreshToken(refresh.token);
  if (parsed === undefined || !tagMatches(refresh.tagKey, parsed)) throw new Error('The token is not good.');
  if (!secretMatches(parsed.secret, refresh.currentHash)) throw new Error('The secret is not good.');
  createSuccessor(refresh.tagKey, parsed, randomBytes(32));
}

const cases: readonly [name: string, times: number, work: () => unknown][] = [
  ['node:crypto sign', 1_000, () => sign(null, message, key.privateKey)],
  ['access token: issue', 1_000, () => issue(subject)],
  ['node:crypto verify', 1_000, () => verify(null, message, key.publicKey, signature)],
  ['access token: verify', 1_000, () => verifyAccessToken(token, options)],
  ['access token: verify, members in another order', 1_000, () => verifyAccessToken(foreign, options)],
  ['access token: refuse a forged signature', 1_000, () => verifyAccessToken(lookalike, options)],
  [
    'access token: refuse an unknown kid',
    10_000,
    () => verifyAccessToken(token, { ...options, findKey: () => undefined }),
  ],
  ['access token: refuse a cut token', 10_000, () => verifyAccessToken(token.slice(0, -1), options)],
  ['refresh token: first', 10_000, () => createFirstRefreshToken(sessionId, randomBytes)],
  ['refresh token: parse', 10_000, () => parseRefreshToken(refresh.token)],
  ['refresh token: parse, check, derive and write the successor', 10_000, rotate],
];

for (const [name, times, work] of cases) {
  const rounds = Array.from({ length: 16 }, () => {
    const startedAt = performance.now();
    for (let index = 0; index < times; index += 1) work();
    return ((performance.now() - startedAt) * 1000) / times;
  });
  // The first round compiles.
  const sorted = rounds.slice(1).sort((left, right) => left - right);
  const [low, middle, high] = [sorted[3], sorted[7], sorted[11]].map((value) => (value ?? 0).toFixed(1));
  process.stdout.write(`${name.padEnd(62)} ${middle?.padStart(7)} us   (${low} to ${high})\n`);
}
