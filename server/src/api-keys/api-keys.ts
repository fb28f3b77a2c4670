/** API keys: made, replaced, and shown once. */
import type {
  GeneratedKey,
  KeyGeneration,
  KeyInformation,
  ReplacementKey,
  RotatedKey,
} from '@irontrack/contract/api-keys.ts';
import { tiers } from '@irontrack/contract/organizations.ts';
import { uuidv7 } from 'uuidv7';
import type { Audit } from '../audit/audit.ts';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/database.ts';
import type { Sql } from '../database/sql.ts';
import type { Caller } from '../http/guard.ts';
import { keyProblem, type Organization } from '../http/key-guard.ts';
import type { RequestSource } from '../http/request-source.ts';
import { createOrganization, requireOrganization } from '../organizations/organizations.ts';
import { lockAsSuperuser } from '../roles/roles.ts';
import { hashApiKey, type KeyKind, kindOf, makeApiKey } from './api-key.ts';
import { insertKey, revokeKeys } from './api-keys.sql.ts';
import type { KeyHolders } from './key-holders.ts';
import type { SignupLimit } from './signup-limit.ts';

export interface ApiKeys {
  /**
   * Makes an organization and its first key.
   *
   * @param caller the superuser who asks; null where anybody may
   * @throws Problem `too-many-attempts`, `not-permitted`
   */
  generate(caller: Caller | null, input: KeyGeneration, source: RequestSource): Promise<GeneratedKey>;
  describe(organization: Organization): KeyInformation;
  /**
   * Replaces the key that asks; every key of the organization from before is dead.
   *
   * @throws Problem `api-key-refused` when it was replaced meanwhile
   */
  rotate(organization: Organization, apiKey: string, source: RequestSource): Promise<RotatedKey>;
  /** As `rotate`, for a superuser. @throws Problem `organization-not-found`, `not-permitted` */
  replace(caller: Caller, organizationId: string, source: RequestSource): Promise<ReplacementKey>;
}

interface Needs {
  database: Database;
  audit: Audit;
  clock: Clock;
  randomBytes: (size: number) => Buffer;
  keyHolders: Pick<KeyHolders, 'forgetKey'>;
  signupLimit: SignupLimit;
}

const warning = 'Keep this key now: it is shown this once and cannot be read again, only replaced.';

export function createApiKeys(needs: Needs): ApiKeys {
  const { database, audit, clock, randomBytes, keyHolders, signupLimit } = needs;

  /** Ends the keys there are and makes another. Needs `requireOrganization` before it. */
  async function renew(
    tx: Sql,
    organizationId: string,
    now: Date,
    { kind, source, actorId }: { kind: KeyKind; source: RequestSource; actorId: string | null },
  ): Promise<{ apiKey: string; ended: string[] }> {
    const ended = await revokeKeys(tx, organizationId, now);
    const apiKey = makeApiKey(kind, randomBytes);
    await insertKey(tx, hashApiKey(apiKey), organizationId, now);
    await audit.record(tx, source, { action: 'api_key.rotated', actorId, details: { organizationId } });
    return { apiKey, ended };
  }

  return {
    async generate(caller, { organization_name: name, tier = 'free', kind = 'live' }, source) {
      await signupLimit.admit(source.ipAddress);
      const apiKey = makeApiKey(kind, randomBytes);
      const id = uuidv7();
      const now = clock();
      await database.transaction(source.requestId, async (tx) => {
        if (caller !== null) await lockAsSuperuser(tx, caller, now);
        await createOrganization(tx, { id, name, tier, now }, audit, source, caller?.user.id ?? null);
        await insertKey(tx, hashApiKey(apiKey), id, now);
      });
      return {
        organization_id: id,
        organization_name: name,
        api_key: apiKey,
        tier,
        rate_limit_per_minute: tiers[tier].eventsPerMinute,
        created_at: now.toISOString(),
        warning,
      };
    },

    describe: ({ id, name, tier, webhookUrl, createdAt, updatedAt }) => ({
      organization_id: id,
      organization_name: name,
      tier,
      rate_limit_per_minute: tiers[tier].eventsPerMinute,
      webhook_url: webhookUrl,
      created_at: createdAt.toISOString(),
      updated_at: updatedAt.toISOString(),
      note: 'The key itself is kept nowhere. If it is lost, replace it.',
    }),

    async rotate({ id, name }, given, source) {
      const now = clock();
      const { apiKey, ended } = await database.transaction(source.requestId, async (tx) => {
        await requireOrganization(tx, id);
        const renewed = await renew(tx, id, now, { kind: kindOf(given), source, actorId: null });
        // Of two who replace the same key at once, one comes too late.
        if (!renewed.ended.includes(hashApiKey(given))) throw keyProblem('api-key-refused');
        return renewed;
      });
      for (const hash of ended) keyHolders.forgetKey(hash);
      return {
        organization_id: id,
        organization_name: name,
        api_key: apiKey,
        rotated_at: now.toISOString(),
        warning: `${warning} The key from before no longer works.`,
      };
    },

    async replace(caller, organizationId, source) {
      const now = clock();
      const { apiKey, ended } = await database.transaction(source.requestId, async (tx) => {
        await lockAsSuperuser(tx, caller, now);
        await requireOrganization(tx, organizationId);
        // Which kind it was is not kept.
        return await renew(tx, organizationId, now, { kind: 'live', source, actorId: caller.user.id });
      });
      for (const hash of ended) keyHolders.forgetKey(hash);
      return { organizationId, apiKey, createdAt: now.toISOString() };
    },
  };
}
