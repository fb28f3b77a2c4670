/** The keys of access tokens: the one this process signs with, and all whose tokens are still accepted. */
import type { KeyObject } from 'node:crypto';
import type { Audit } from '../audit/audit.ts';
import { serviceItself } from '../audit/audit.ts';
import type { Clock } from '../clock.ts';
import { type PublicSigningJwk, parsePublicSigningKey, type SigningKey } from '../crypto/signing-key.ts';
import type { Database } from '../database/database.ts';
import { Problem } from '../problem.ts';
import { exitStatus, StartupError } from '../startup-error.ts';
import {
  deleteExpiredSigningKeys,
  insertSigningKey,
  renewSigningKey,
  selectSigningKeys,
} from './keyring.sql.ts';

export interface Keyring {
  /** Loads the signing key, registers its public half and reads the others. Before anything else. */
  open(): Promise<void>;
  /** The key to sign with. @throws Problem `not-ready` while its tokens would not be accepted */
  current(): SigningKey;
  /**
   * Makes sure that `current` can sign: a key that lapsed (a suspended machine, a long outage) is renewed first, one that
   * was cut off a moment ago is replaced by that of the file.
   */
  prepare(): Promise<void> | undefined;
  /** The key of that name, if its tokens are accepted now. */
  find(kid: string): KeyObject | undefined;
  /** Looks in the database for a key that another node may have started to use a moment ago. */
  findNew(kid: string): Promise<KeyObject | undefined>;
  /**
   * News of keys were heard, or may have been missed: reads the database, so that what was cut off is known after one
   * statement, and then does as `reload`. What fails is tried again every two seconds until it succeeds.
   *
   * @throws what the first of an uninterrupted row of failures says; those after it are silent
   */
  catchUp(): Promise<void>;
  /**
   * Reads the key file and the database anew (a key was added, replaced or cut off) and moves the current key's time
   * ahead; called by the housekeeping more often than `renewalMs`.
   */
  reload(): Promise<void>;
  /** No news can be heard: looks now and then for a key that another node has cut off. */
  suspend(): void;
  resume(): void;
  /** Looks for nothing any more. */
  close(): void;
  /** The JWKS. */
  list(): PublicSigningJwk[];
}

/**
 * A process says this far ahead that it may still sign, so that it can miss a few renewals. A key that was replaced
 * is accepted until then: the last token's lifetime and at most this much more.
 */
const renewalMs = 15 * 60_000;

/** Keys that verify nothing any more stay this long, for whoever wonders about an old token. */
const expiredRetentionMs = 30 * 24 * 60 * 60_000;

/** How often keys are looked at while no news of them can be heard, or could not be followed. */
const deafLookMs = 2_000;

/** A forged kid must not cost a query each time. */
const lookUpIntervalMs = 1_000;

interface Needs {
  database: Database;
  audit: Audit;
  clock: Clock;
  /** Reads or makes the key this process signs with. */
  loadSigningKey: () => Promise<SigningKey>;
  accessTtlMs: number;
  /** A key was cut off before its time: what was verified by it is not to be believed any more. */
  onCut: () => void;
}

interface VerificationKey {
  publicKey: KeyObject;
  publicJwk: PublicSigningJwk;
  verifyUntilMs: number;
}

export function createKeyring(needs: Needs): Keyring {
  const { database, audit, clock, loadSigningKey, accessTtlMs, onCut } = needs;
  let signingKey: SigningKey | undefined;
  let keys = new Map<string, VerificationKey>();
  let lastLookUpMs = Number.NEGATIVE_INFINITY;
  let lookUp: Promise<void> | undefined;
  let deaf: NodeJS.Timeout | undefined;
  let isLooking = false;
  let isClosed = false;
  let triesBegun = 0;
  /** Defined while the last try has failed. */
  let nextTry: NodeJS.Timeout | undefined;

  const aheadOf = (now: Date) => new Date(now.getTime() + accessTtlMs + renewalMs);

  function loaded(): SigningKey {
    if (signingKey === undefined) throw new Error('The keyring was used before it was opened.');
    return signingKey;
  }

  function current(): SigningKey {
    const key = loaded();
    // Better no token than one that nobody accepts.
    if (find(key.kid) === undefined) {
      throw new Problem('not-ready', 'The signing key of this process was revoked. Try again shortly.', {
        headers: { 'retry-after': '5' },
      });
    }
    return key;
  }

  /** Signs with the key that is there now. A key that the database does not know yet is made known first. */
  async function load(): Promise<void> {
    const found = await loadSigningKey();
    if (found.kid === signingKey?.kid) return;
    await register(found);
    signingKey = found;
  }

  async function register({ kid, publicJwk }: SigningKey): Promise<void> {
    const now = clock();
    await database.transaction(serviceItself.requestId, async (tx) => {
      const isNew = await insertSigningKey(tx, publicJwk, now, aheadOf(now));
      if (!isNew) return;
      await audit.record(tx, serviceItself, { action: 'signing_key.created', details: { kid } });
    });
  }

  /** What a read found that began earlier is older: it must not bring back a key that was cut off meanwhile. */
  let readsBegun = 0;
  let newestRead = 0;

  async function readKeys(): Promise<void> {
    readsBegun += 1;
    const read = readsBegun;
    const rows = await selectSigningKeys(database.sql, clock());
    if (read < newestRead) return;
    newestRead = read;
    const before = keys;
    keys = new Map(
      rows.map(({ publicJwk, verifyUntil }) => {
        const { kid, publicKey } = parsePublicSigningKey(publicJwk);
        return [kid, { publicKey, publicJwk, verifyUntilMs: verifyUntil.getTime() }];
      }),
    );
    const isCut = ([kid, { verifyUntilMs }]: [string, VerificationKey]) =>
      verifyUntilMs > clock().getTime() && (keys.get(kid)?.verifyUntilMs ?? 0) < verifyUntilMs;
    if ([...before].some(isCut)) onCut();
  }

  function find(kid: string): KeyObject | undefined {
    const key = keys.get(kid);
    return key !== undefined && clock().getTime() < key.verifyUntilMs ? key.publicKey : undefined;
  }

  async function renew(): Promise<void> {
    const now = clock();
    await renewSigningKey(database.sql, loaded().kid, aheadOf(now));
    await deleteExpiredSigningKeys(database.sql, new Date(now.getTime() - expiredRetentionMs));
    await readKeys();
  }

  let reloading: Promise<void> = Promise.resolve();

  async function loadAndRenew(): Promise<void> {
    try {
      await load();
    } finally {
      // Whether or not the own file can be read: a key that was cut off elsewhere must not go on verifying here.
      await renew();
    }
  }

  function reload(): Promise<void> {
    // One after the other: of two at once the one that read the older file could have the last word.
    const reloaded = reloading.then(loadAndRenew);
    reloading = reloaded.catch(() => undefined);
    return reloaded;
  }

  let replacing: Promise<void> | undefined;

  /** However many wait for it, it is done once. */
  function replaceOrRenew(): Promise<void> {
    replacing ??= reload()
      .catch((error: unknown) => {
        // The file cannot be read: `current` says whether the old key will do.
        if (error instanceof Problem) throw error;
      })
      .finally(() => {
        replacing = undefined;
      });
    return replacing;
  }

  async function catchUp(): Promise<void> {
    triesBegun += 1;
    const tried = triesBegun;
    const hadFailed = nextTry !== undefined;
    clearTimeout(nextTry);
    try {
      // A key may have been cut off for being in wrong hands: that first, then the renewal with its commits.
      await readKeys();
      await reload();
      // What failed meanwhile may have been told of something newer.
      if (tried < triesBegun) return;
      clearTimeout(nextTry);
      nextTry = undefined;
    } catch (error) {
      clearTimeout(nextTry);
      if (!isClosed) nextTry = setTimeout(() => void catchUp(), deafLookMs).unref();
      if (!hadFailed) throw error;
    }
  }

  async function look(): Promise<void> {
    if (isLooking) return;
    isLooking = true;
    // That the database is away, too, is said by others.
    await readKeys().catch(() => undefined);
    isLooking = false;
  }

  return {
    async open() {
      await load();
      await renew();
      if (find(loaded().kid) !== undefined) return;
      throw new StartupError(
        exitStatus.badConfiguration,
        `The signing key ${loaded().kid} was revoked. Make a new one with \`irontrack rotate-signing-key\`, or put ` +
          'another into SIGNING_KEY.',
      );
    },
    current,
    prepare: () => (find(loaded().kid) === undefined ? replaceOrRenew() : undefined),
    find,
    async findNew(kid) {
      const nowMs = clock().getTime();
      if (nowMs - lastLookUpMs >= lookUpIntervalMs) {
        lastLookUpMs = nowMs;
        lookUp = readKeys();
      }
      // Who comes while the keys are being read waits for them like the first.
      await lookUp;
      return find(kid);
    },
    catchUp,
    reload,
    suspend() {
      clearInterval(deaf);
      if (isClosed) return;
      deaf = setInterval(() => void look(), deafLookMs).unref();
    },
    resume() {
      clearInterval(deaf);
    },
    close() {
      isClosed = true;
      clearInterval(deaf);
      clearTimeout(nextTry);
    },
    list: () => [...keys.values()].map(({ publicJwk }) => publicJwk),
  };
}
