/**
 * Cached values as they lie in Valkey: encrypted, and bound to the key and the epoch they were stored under. Whoever reads
 * Valkey learns nothing of a user, and whoever writes to it can put back an old copy but make none up.
 */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';

const saltBytes = 16;
const tagBytes = 16;
/** Each value has a key of its own, so the nonce need not vary; random nonces under one key would run out. */
const nonce = Buffer.alloc(12);

const keyOf = (sealingKey: Buffer, salt: Buffer) => createHmac('sha256', sealingKey).update(salt).digest();

/** @param place the name the value can be opened under; it is not part of the result */
export function seal(sealingKey: Buffer, place: string, text: string, salt: Buffer): string {
  const cipher = createCipheriv('aes-256-gcm', keyOf(sealingKey, salt), nonce);
  cipher.setAAD(Buffer.from(place));
  const content = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([salt, cipher.getAuthTag(), content]).toString('base64');
}

/** @returns undefined when it was sealed by somebody else, for another place, or altered */
export function unseal(sealingKey: Buffer, place: string, sealed: string): string | undefined {
  const bytes = Buffer.from(sealed, 'base64');
  if (bytes.length < saltBytes + tagBytes) return undefined;
  const salt = bytes.subarray(0, saltBytes);
  const decipher = createDecipheriv('aes-256-gcm', keyOf(sealingKey, salt), nonce);
  decipher.setAAD(Buffer.from(place));
  decipher.setAuthTag(bytes.subarray(saltBytes, saltBytes + tagBytes));
  try {
    const content = decipher.update(bytes.subarray(saltBytes + tagBytes));
    return Buffer.concat([content, decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}

export const sealSaltBytes = saltBytes;
