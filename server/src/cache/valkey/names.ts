/**
 * How things are called in Valkey: below a prefix of this installation, whose subjects nobody can read. What is known of
 * a person (an e-mail, an address) becomes a keyed hash; without the installation's secret it cannot even be guessed at.
 */
import { createHmac } from 'node:crypto';

export interface ValkeyNames {
  /** Such as `irontrack:0a1b2c3d4e5f6071`. Two installations on one server do not meet. */
  readonly prefix: string;
  /** The key of a count. */
  count(limitName: string, subject: string): string;
  /** The key by which cached values are sealed. 32 bytes. */
  readonly sealingKey: Buffer;
}

/** @param secret of the installation, 32 bytes, the same on every node */
export function createValkeyNames(secret: Buffer): ValkeyNames {
  const derive = (purpose: string) => createHmac('sha256', secret).update(purpose).digest();
  const prefix = `irontrack:${derive('prefix').subarray(0, 8).toString('hex')}`;
  const countKey = derive('counts');
  return {
    prefix,
    count(limitName, subject) {
      const hash = createHmac('sha256', countKey).update(`${limitName}\n${subject}`).digest('base64url');
      return `${prefix}:count:${limitName}:${hash.slice(0, 22)}`;
    },
    sealingKey: derive('cached values'),
  };
}
