/** The services that are compared: what each is made of, how it is installed and how it is started. */
import { join } from 'node:path';
import { quoteCommand } from '../report/format-figures.ts';

/** `own`: as its guides recommend. `equal`: Argon2id with 64 MiB, 3 passes and 1 lane, as ours. */
export type PasswordSettings = 'own' | 'equal';

export interface Peer {
  name: string;
  /** Folder of its files beside the scenarios; undefined for what is here already. */
  folder?: string;
  installer: 'npm' | 'pip' | 'none';
  /** Libraries whose versions stand in the report. */
  parts: readonly string[];
  /** How it hashes passwords when it is left to its guides. */
  ownHash: string;
  /** Run by `sh`; "{port}" is replaced by a free one, which PORT holds too. */
  command(place: Place): string;
}

interface Place {
  /** Where it is installed. */
  folder: string;
  node: string;
  /** The `irontrack` program. */
  irontrack: string;
}

const argon2 = 'Argon2id, 64 MiB, 3 passes, 1 lane';
const scrypt = 'scrypt, N 16384, r 16, p 1';
const fastapiParts = ['fastapi', 'starlette', 'pydantic', 'PyJWT', 'argon2-cffi', 'asyncpg'];

export const peers: readonly Peer[] = [
  {
    name: 'irontrack',
    installer: 'none',
    parts: [],
    ownHash: argon2,
    // Its log is written, but not read: that would take from the core of the load.
    command: ({ node, irontrack }) => `exec ${quoteCommand([node, irontrack, 'serve'])} >/dev/null`,
  },
  {
    name: 'better-auth',
    folder: 'better-auth',
    installer: 'npm',
    parts: ['better-auth', 'pg', 'argon2'],
    ownHash: scrypt,
    command: ({ node, folder }) => `exec ${quoteCommand([node, join(folder, 'server.mjs')])}`,
  },
  {
    name: 'express',
    folder: 'express',
    installer: 'npm',
    parts: [
      'express',
      'passport',
      'passport-jwt',
      'passport-local',
      'jsonwebtoken',
      'bcrypt',
      'argon2',
      'pg',
    ],
    ownHash: 'bcrypt, 10 rounds',
    command: ({ node, folder }) => `exec ${quoteCommand([node, join(folder, 'server.mjs')])}`,
  },
  {
    name: 'fastapi-uvicorn',
    folder: 'fastapi',
    installer: 'pip',
    parts: [...fastapiParts, 'uvicorn', 'uvloop', 'httptools'],
    ownHash: 'Argon2id, 64 MiB, 3 passes, 4 lanes',
    command: ({ folder }) =>
      `cd ${quoteCommand([folder])} && exec venv/bin/uvicorn app:app --port {port} --loop uvloop --http httptools --no-access-log --log-level warning`,
  },
  {
    name: 'fastapi-granian',
    folder: 'fastapi',
    installer: 'pip',
    parts: [...fastapiParts, 'granian', 'uvloop'],
    ownHash: 'Argon2id, 64 MiB, 3 passes, 4 lanes',
    command: ({ folder }) =>
      `cd ${quoteCommand([folder])} && exec venv/bin/granian --interface asgi --port {port} --workers 1 --loop uvloop --no-access-log --log-level warning app:app`,
  },
];
