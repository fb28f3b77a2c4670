import { randomBytes } from 'node:crypto';
import { commandLine, createAudit } from '../audit/audit.ts';
import { systemClock } from '../clock.ts';
import { type Config, readConfig } from '../config.ts';
import { rotateSigningKeyFile } from '../crypto/signing-key-file.ts';
import { type Database, openDatabase } from '../database/database.ts';
import { migrate } from '../database/migrations.ts';
import { announceSigningKeys, insertSigningKey, revokeSigningKey } from '../sessions/keyring.sql.ts';
import { exitStatus, StartupError } from '../startup-error.ts';
import type { Command } from './command.ts';
import { openDatabaseAccess } from './database-access.ts';
import { asKeyError, signingKeyPath } from './signing-key.ts';

export const rotateSigningKey: Command = {
  summary:
    'Make a new signing key. Tokens of the old one stay valid until they expire, unless it is revoked.',
  options: {
    'revoke-old': {
      type: 'boolean',
      help: 'The old key may be in wrong hands: refuse its tokens at once. Clients refresh and go on.',
    },
    revoke: {
      type: 'string',
      help: 'Make no new key, but refuse the tokens of the named one (its kid) at once.',
    },
  },
  async run(values, context) {
    const config = readConfig(context.environment, context.stdout.isTTY === true);
    if (config.tokens.signingKey !== undefined && values.revoke === undefined) {
      throw new StartupError(
        exitStatus.badConfiguration,
        'The signing key comes from SIGNING_KEY. Put a new one there and restart; the old one goes on verifying.',
      );
    }
    const database = await openDatabaseAccess(config, 'join', (sentence) =>
      context.stderr.write(`${sentence}\n`),
    );
    const pool = openDatabase({
      address: database.address,
      poolSize: 1,
      timeoutMs: config.database.timeoutMs,
    });
    try {
      await migrate(database.directAddress);
      if (typeof values.revoke === 'string') {
        await revoke(pool, values.revoke);
        context.stdout.write(`The signing key ${values.revoke} is revoked.\n`);
        return;
      }
      const { previous, next } = await rotate(config, pool);
      context.stdout.write(`The new signing key is ${next.kid}.\n`);
      if (values['revoke-old'] !== true || previous === undefined) return;
      await revoke(pool, previous.kid);
      context.stdout.write(`The old one is revoked: ${previous.kid}.\n`);
    } finally {
      await pool.close();
      await database.stop();
    }
  },
};

/** The database knows the new public key before anything is signed with it, so that every node accepts it. */
async function rotate(config: Config, database: Database) {
  const audit = createAudit({ database, clock: systemClock });
  try {
    const rotated = await rotateSigningKeyFile(signingKeyPath(config), {
      randomBytes,
      async beforeReplace(previous, next) {
        const now = systemClock();
        const verifyUntil = new Date(now.getTime() + config.tokens.accessTtlMs);
        await database.transaction(commandLine.requestId, async (tx) => {
          await insertSigningKey(tx, next.publicJwk, now, verifyUntil);
          await audit.record(tx, commandLine, {
            action: 'signing_key.rotated',
            details: { from: previous?.kid ?? null, to: next.kid },
          });
        });
      },
    });
    // Only now is the file the new one, so only now may running servers read it.
    await announceSigningKeys(database.sql);
    return rotated;
  } catch (error) {
    throw asKeyError(error, config);
  }
}

/** @throws StartupError when no key of that name verifies anything */
async function revoke(database: Database, kid: string): Promise<void> {
  const audit = createAudit({ database, clock: systemClock });
  const isRevoked = await database.transaction(commandLine.requestId, async (tx) => {
    if (!(await revokeSigningKey(tx, kid, systemClock()))) return false;
    // The trigger says nothing of a key whose time it did not shorten: it may have been over by this clock.
    await announceSigningKeys(tx);
    await audit.record(tx, commandLine, { action: 'signing_key.revoked', details: { kid } });
    return true;
  });
  if (!isRevoked) throw new StartupError(exitStatus.wrongUsage, `There is no signing key ${kid} to revoke.`);
}
