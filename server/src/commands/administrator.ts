/** The primary administrator: made at the very first start. */
import { randomBytes } from 'node:crypto';
import { uuidv7 } from 'uuidv7';
import { primaryAdministratorExists } from '../accounts/accounts.sql.ts';
import { createAccount } from '../accounts/accounts.ts';
import { commandLine, createAudit } from '../audit/audit.ts';
import { systemClock } from '../clock.ts';
import type { Config } from '../config.ts';
import { createHashQueue } from '../crypto/hash-queue.ts';
import { createPasswordHasher } from '../crypto/password-hash.ts';
import type { DatabaseAddress } from '../database/client.ts';
import { openDatabase } from '../database/database.ts';
import { normalizeEmail } from '../email.ts';
import { Problem } from '../problem.ts';
import { exitStatus, StartupError } from '../startup-error.ts';

interface NewAdministrator {
  email: string;
  /** Only when it was made here. */
  oneTimePassword?: string;
}

/**
 * @returns undefined when there is one already
 * @throws StartupError when the e-mail belongs to an ordinary account
 */
export async function createPrimaryAdministrator(
  config: Config,
  address: DatabaseAddress,
): Promise<NewAdministrator | undefined> {
  const { email, password } = config.administrator;
  const generated = password === undefined ? generatePassword() : undefined;
  const made = await createSuperuserAccount(config, address, {
    email,
    password: password ?? generated ?? '',
    isPrimaryAdministrator: true,
  });
  if (!made) return undefined;
  return { email, ...(generated === undefined ? {} : { oneTimePassword: generated }) };
}

interface SuperuserInput {
  email: string;
  password: string;
  isPrimaryAdministrator: boolean;
}

/** @returns false when a primary administrator was asked for and there is one */
export async function createSuperuserAccount(
  config: Config,
  address: DatabaseAddress,
  { email, password, isPrimaryAdministrator }: SuperuserInput,
): Promise<boolean> {
  const database = openDatabase({ address, poolSize: 1, timeoutMs: config.database.timeoutMs });
  try {
    if (isPrimaryAdministrator && (await primaryAdministratorExists(database.sql))) return false;
    const queue = createHashQueue({ concurrency: 1, maxWaitMs: 60_000, now: () => performance.now() });
    const hasher = createPasswordHasher({ parameters: config.hashing.parameters, queue, randomBytes });
    const account = {
      id: uuidv7(),
      email: normalizeEmail(email),
      name: null,
      passwordHash: await hasher.hash(password),
      isActive: true,
      role: 'superuser',
      isPrimaryAdministrator,
      now: systemClock(),
    } as const;
    await createAccount(database, createAudit({ database, clock: systemClock }), account, commandLine, {
      actorId: null,
    });
    return true;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    // Another node that starts at the same moment has just made it.
    if (isPrimaryAdministrator && (await primaryAdministratorExists(database.sql))) return false;
    const isTaken = error.code === 'email-taken';
    const advice = isTaken ? `${email} belongs to an account already.` : error.message;
    const asked = isPrimaryAdministrator ? exitStatus.badConfiguration : exitStatus.wrongUsage;
    const status = isTaken ? asked : exitStatus.unavailable;
    throw new StartupError(status, `The superuser cannot be created: ${advice}`, { cause: error });
  } finally {
    await database.close();
  }
}

/** 120 random bits with a character of each kind, free of those that look alike. */
function generatePassword(): string {
  return `Iron-${randomBytes(15)
    .toString('hex')
    .replaceAll(/(.{6})(?=.)/g, '$1-')}`;
}
