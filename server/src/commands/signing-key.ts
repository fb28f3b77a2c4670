/** The key that signs access tokens: from the environment, or from a file in the data folder. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { parseSigningKey, type SigningKey, SigningKeyError } from '../crypto/signing-key.ts';
import { loadOrCreateSigningKeyFile } from '../crypto/signing-key-file.ts';
import { exitStatus, StartupError } from '../startup-error.ts';

export function signingKeyPath(config: Config): string {
  return join(config.dataDir, 'keys', 'signing-key.json');
}

/** @throws StartupError when the key is malformed, published, too weak, or readable by others */
export async function loadSigningKey(config: Config): Promise<SigningKey> {
  try {
    const given = config.tokens.signingKey;
    return given === undefined
      ? await loadOrCreateSigningKeyFile(signingKeyPath(config), randomBytes)
      : parseSigningKey(given);
  } catch (error) {
    throw asKeyError(error, config);
  }
}

export function asKeyError(error: unknown, config: Config): unknown {
  if (error instanceof SigningKeyError) {
    return new StartupError(exitStatus.badConfiguration, error.message, { cause: error });
  }
  if (error instanceof Error && 'code' in error) {
    return new StartupError(
      exitStatus.badConfiguration,
      `The signing key ${signingKeyPath(config)} cannot be read or made (${String(error.code)}). ` +
        'Give this user the right to, or set SIGNING_KEY.',
      { cause: error },
    );
  }
  return error;
}
