/** Passwords of the experiment: Argon2id by Node's own OpenSSL, on the event loop or on the thread pool. */
import { argon2, argon2Sync, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Switches } from './steps.ts';

/** What the study hashed with: 64 MiB, three passes. */
export const cost = { memory: 65_536, passes: 3, tagLength: 32 };

export interface Passwords {
  /** @returns salt and hash as one text */
  hash(password: string): Promise<string>;
  verify(stored: string, password: string): Promise<boolean>;
}

export function createPasswords({ hashing, lanes }: Pick<Switches, 'hashing' | 'lanes'>): Passwords {
  const derive = hashing === 'loop' ? hashOnLoop : hashOnPool;
  return {
    async hash(password) {
      const salt = randomBytes(16);
      const key = await derive(password, salt, lanes);
      return `${salt.toString('base64')}$${key.toString('base64')}`;
    },
    async verify(stored, password) {
      const [salt = '', key = ''] = stored.split('$');
      const expected = Buffer.from(key, 'base64');
      const found = await derive(password, Buffer.from(salt, 'base64'), lanes);
      return expected.length === found.length && timingSafeEqual(expected, found);
    },
  };
}

/** The name is what the profile shows. */
export function hashOnLoop(message: string, nonce: Buffer, parallelism: number): Buffer {
  return argon2Sync('argon2id', { ...cost, message, nonce, parallelism });
}

function hashOnPool(message: string, nonce: Buffer, parallelism: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    argon2('argon2id', { ...cost, message, nonce, parallelism }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}
