/** The keys of access tokens: the one this process signs with, and all whose tokens are still accepted. */
import type { KeyObject } from 'node:crypto';
import type { Audit } from '../audit/audit.ts';
import { commandLine } from '../audit/audit.ts';
import type { Clock } from '../clock.ts';
import { type PublicSigningJwk, parsePublicSigningKey, type SigningKey } from '../crypto/signing-key.ts';
import type { Database } from '../database/database.ts';
import { insertSigningKey, renewSigningKey, selectSigningKeys } from './keyring.sql.ts';

export interface Keyring {
  current(): SigningKey;
  /** The key of that name, if its tokens are accepted now. */
  find(kid: string): KeyObject | undefined;
  /** Looks in the database for a key that another node may have started to use a moment ago. */
  findNew(kid: string): Promise<KeyObject | undefined>;
  /** Reads the key file and the database anew: a key was added, replaced or cut off. */
  reload(): Promise<void>;
  /** Moves the current key's time ahead; called by the housekeeping more often than `renewalMs`. */
  renew(): Promise<void>;
  /** The JWKS. */
  list(): PublicSigningJwk[];
}

/**
 * A process says this far ahead that it may still sign, so that it can miss a few renewals. A key that was replaced
 * is accepted until then: the last token's lifetime and at most this much more.
 */
const renewalMs = 15 * 60_000;

/** A forged kid must not cost a query each time. */
const lookUpIntervalMs = 1_000;

interface Needs {
  database: Database;
  audit: Audit;
  clock: Clock;
  /** Reads or makes the key this process signs with. */
  loadSigningKey: () => Promise<SigningKey>;
  accessTtlMs: number;
}

interface VerificationKey {
  publicKey: KeyObject;
  publicJwk: PublicSigningJwk;
  verifyUntilMs: number;
}

/** Loads the signing key, registers its public half and reads the others. */
export async function openKeyring({ database, audit, clock, loadSigningKey, accessTtlMs }: Needs): Promise<Keyring> {
  let signingKey = await loadSigningKey();
  let keys = new Map<string, VerificationKey>();
  let lastLookUpMs = Number.NEGATIVE_INFINITY;

  const aheadOf = (now: Date) => new Date(now.getTime() + accessTtlMs + renewalMs);

  async function register(): Promise<void> {
    const now = clock();
    await database.transaction(commandLine.requestId, async (tx) => {
      const isNew = await insertSigningKey(tx, signingKey.publicJwk, now, aheadOf(now));
      if (!isNew) return;
      await audit.record(tx, commandLine, { action: 'signing_key.created', details: { kid: signingKey.kid } });
    });
  }

  async function readKeys(): Promise<void> {
    const rows = await selectSigningKeys(database.sql, clock());
    keys = new Map(
      rows.map(({ publicJwk, verifyUntil }) => {
        const { kid, publicKey } = parsePublicSigningKey(publicJwk);
        return [kid, { publicKey, publicJwk, verifyUntilMs: verifyUntil.getTime() }];
      }),
    );
  }

  function find(kid: string): KeyObject | undefined {
    const key = keys.get(kid);
    return key !== undefined && clock().getTime() < key.verifyUntilMs ? key.publicKey : undefined;
  }

  async function renew(): Promise<void> {
    await renewSigningKey(database.sql, signingKey.kid, aheadOf(clock()));
    await readKeys();
  }

  await register();
  await renew();

  return {
    current: () => signingKey,
    find,
    async findNew(kid) {
      const nowMs = clock().getTime();
      if (nowMs - lastLookUpMs < lookUpIntervalMs) return find(kid);
      lastLookUpMs = nowMs;
      await readKeys();
      return find(kid);
    },
    async reload() {
      const loaded = await loadSigningKey();
      if (loaded.kid !== signingKey.kid) {
        signingKey = loaded;
        await register();
      }
      await readKeys();
    },
    renew,
    list: () => [...keys.values()].map(({ publicJwk }) => publicJwk),
  };
}
