/** Organizations: who pushes events, and how much. */
import {
  type OrganizationChange,
  type OrganizationPage,
  type OrganizationQuery,
  type OrganizationView,
  tiers,
} from '@irontrack/contract/organizations.ts';
import type { Audit } from '../audit/audit.ts';
import type { CacheCounts } from '../cache/cache.ts';
import { createMemoryCache } from '../cache/memory-cache.ts';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/database.ts';
import type { Sql } from '../database/sql.ts';
import type { Caller } from '../http/guard.ts';
import type { Organization } from '../http/key-guard.ts';
import type { RequestSource } from '../http/request-source.ts';
import { Problem } from '../problem.ts';
import { lockAsSuperuser } from '../roles/roles.ts';
import {
  countOrganizations,
  insertOrganization,
  lockOrganization,
  type NewOrganization,
  selectOrganization,
  selectOrganizations,
  updateOrganization,
} from './organizations.sql.ts';

export interface Organizations {
  /** From memory, if it is there. */
  peek(id: string): Organization | undefined;
  find(id: string): Promise<Organization | undefined>;
  forget(id: string): void;
  /** No news can be heard: ask the database every time. */
  suspend(): void;
  resume(): void;
  readonly cache: CacheCounts;

  list(query: OrganizationQuery, source: RequestSource): Promise<OrganizationPage>;
  /** @throws Problem `organization-not-found` */
  read(id: string, source: RequestSource): Promise<OrganizationView>;
  /** @throws Problem `organization-not-found`, `not-permitted` */
  change(
    caller: Caller,
    id: string,
    input: OrganizationChange,
    source: RequestSource,
  ): Promise<OrganizationView>;
}

interface Needs {
  database: Database;
  audit: Audit;
  clock: Clock;
  /** Drops what is kept of one organization, here and wherever else it is kept. */
  forgetEverywhere: (id: string) => void;
}

const capacity = 20_000;

export function createOrganizations(needs: Needs): Organizations {
  const { database, audit, clock, forgetEverywhere } = needs;
  const kept = createMemoryCache<Organization>('organization', capacity);
  return {
    cache: kept,
    peek: (id) => kept.peek(id),
    find: (id) => kept.read(id, () => selectOrganization(database.sql, id)),
    forget: (id) => kept.drop(id),
    suspend: () => kept.suspend(),
    resume: () => kept.resume(),

    async list(query, source) {
      const sql = database.forRequest(source.requestId);
      const limit = query.pageSize;
      const offset = (query.currentPage - 1) * limit;
      const [found, total] = await Promise.all([
        selectOrganizations(sql, query, limit, offset),
        countOrganizations(sql, query),
      ]);
      return { items: found.map(toView), limit, offset, total };
    },

    async read(id, source) {
      const found = await selectOrganization(database.forRequest(source.requestId), id);
      if (found === undefined) throw new Problem('organization-not-found');
      return toView(found);
    },

    async change(caller, id, input, source) {
      const changed = await database.transaction(source.requestId, async (tx) => {
        await lockAsSuperuser(tx, caller, clock());
        const organization = await updateOrganization(tx, id, input, clock());
        if (organization === undefined) throw new Problem('organization-not-found');
        const details = { organizationId: id, ...input };
        await audit.record(tx, source, {
          action: 'organization.updated',
          actorId: caller.user.id,
          details,
        });
        return organization;
      });
      forgetEverywhere(id);
      return toView(changed);
    },
  };
}

/** Makes one; its key is made in the same transaction. */
export async function createOrganization(
  tx: Sql,
  organization: NewOrganization,
  audit: Audit,
  source: RequestSource,
  actorId: string | null,
): Promise<void> {
  await insertOrganization(tx, organization);
  const { id, name, tier } = organization;
  await audit.record(tx, source, {
    action: 'organization.created',
    actorId,
    details: { organizationId: id, name, tier },
  });
}

/** @throws Problem `organization-not-found`; otherwise nobody else changes it before the transaction is over */
export async function requireOrganization(tx: Sql, id: string): Promise<void> {
  if (!(await lockOrganization(tx, id))) throw new Problem('organization-not-found');
}

function toView({ createdAt, updatedAt, ...organization }: Organization): OrganizationView {
  return {
    ...organization,
    eventsPerMinute: tiers[organization.tier].eventsPerMinute,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}
