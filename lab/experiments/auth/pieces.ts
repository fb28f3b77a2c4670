/** The pieces that the steps exchange, alone: what one hash, one signature and one list cost without a server. */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import buildSerializer from 'fast-json-stringify';
import type { Benchmark } from '../../src/micro/benchmark.ts';
import { listLength, makeExercises } from './exercises.ts';
import { hashOnLoop } from './passwords.ts';
import { pieceNames } from './piece-names.ts';
import { ListAnswer, walkToPlain, writeJson, writeTwice } from './serialise.ts';
import { makeKey, signToken, verifyToken } from './tokens.ts';

const claims = {
  sub: 'a3f1c9a0-0000-4000-8000-000000000000',
  jti: 'j',
  kind: 'access',
  iat: 1,
  exp: 2,
} as const;
const rsa = makeKey('rsa');
const ed25519 = makeKey('ed25519');
const rsaToken = signToken(rsa, claims);
const ed25519Token = signToken(ed25519, claims);
const pem = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
}).privateKey;
const text = Buffer.from(rsaToken);
const list = { items: makeExercises(), limit: listLength, offset: 0, total: listLength };
const plain = walkToPlain(list);
const writeCompiled = buildSerializer(ListAnswer);
const salt = randomBytes(16);

export const benchmarks: readonly Benchmark[] = [
  { name: pieceNames.hashOneLane, run: () => hashOnLoop('Correct-Horse-7', salt, 1) },
  { name: pieceNames.hashFourLanes, run: () => hashOnLoop('Correct-Horse-7', salt, 4) },
  { name: pieceNames.rsaSign, run: () => signToken(rsa, claims) },
  { name: pieceNames.rsaSignPem, run: () => sign('sha256', text, pem) },
  { name: pieceNames.ed25519Sign, run: () => signToken(ed25519, claims) },
  { name: pieceNames.rsaVerify, run: () => verifyToken(rsa, rsaToken) },
  { name: pieceNames.ed25519Verify, run: () => verifyToken(ed25519, ed25519Token) },
  { name: pieceNames.listTwice, run: () => writeTwice(list) },
  { name: pieceNames.listWalk, run: () => walkToPlain(list) },
  { name: pieceNames.listStringify, run: () => writeJson(plain) },
  { name: pieceNames.listCompiled, run: () => writeCompiled(list) },
];
