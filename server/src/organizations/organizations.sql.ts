import type { OrganizationChange, OrganizationQuery, Tier } from '@irontrack/contract/organizations.ts';
import { part, type Sql, type SqlPart } from '../database/sql.ts';
import type { Organization } from '../http/key-guard.ts';

interface OrganizationRow extends Omit<Organization, 'isWebhookDisabled'> {
  webhookDisabledAt: Date | null;
}

const organizationColumns = part`
  o.id, o.name, o.tier, o.webhook_url as "webhookUrl", o.webhook_disabled_at as "webhookDisabledAt",
  o.created_at as "createdAt", o.updated_at as "updatedAt"`;

function toOrganization({ webhookDisabledAt, ...row }: OrganizationRow): Organization {
  return { ...row, isWebhookDisabled: webhookDisabledAt !== null };
}

export interface NewOrganization {
  id: string;
  name: string;
  tier: Tier;
  now: Date;
}

export async function insertOrganization(tx: Sql, { id, name, tier, now }: NewOrganization): Promise<void> {
  await tx`
    insert into organizations (id, name, tier, created_at, updated_at)
    values (${id}, ${name}, ${tier}, ${now}, ${now})`;
}

export async function selectOrganization(sql: Sql, id: string): Promise<Organization | undefined> {
  const [row] = await sql<OrganizationRow>`
    select ${organizationColumns} from organizations o where o.id = ${id}`;
  return row === undefined ? undefined : toOrganization(row);
}

/** @returns whether it exists; nobody else changes it, or its keys, until the transaction is over */
export async function lockOrganization(tx: Sql, id: string): Promise<boolean> {
  const rows = await tx`select id from organizations where id = ${id} for no key update`;
  return rows.length === 1;
}

/** `undefined` leaves a column as it is. */
export async function updateOrganization(
  tx: Sql,
  id: string,
  { name, tier }: OrganizationChange,
  now: Date,
): Promise<Organization | undefined> {
  const [row] = await tx<OrganizationRow>`
    update organizations o set
      ${name === undefined ? part`` : part`name = ${name},`}
      ${tier === undefined ? part`` : part`tier = ${tier},`}
      updated_at = ${now}
    where o.id = ${id}
    returning ${organizationColumns}`;
  return row === undefined ? undefined : toOrganization(row);
}

const orders: Readonly<Record<OrganizationQuery['sortOrder'], SqlPart>> = {
  asc: part`o.created_at asc, o.id asc`,
  desc: part`o.created_at desc, o.id desc`,
};

export async function selectOrganizations(
  sql: Sql,
  query: OrganizationQuery,
  limit: number,
  offset: number,
): Promise<Organization[]> {
  const rows = await sql<OrganizationRow>`
    select ${organizationColumns} from organizations o
    where true ${matching(query)}
    order by ${orders[query.sortOrder]}
    limit ${limit} offset ${offset}`;
  return rows.map(toOrganization);
}

export async function countOrganizations(sql: Sql, query: OrganizationQuery): Promise<number> {
  const [row] = await sql<{ total: number }>`
    select count(*)::int as total from organizations o where true ${matching(query)}`;
  return row?.total ?? 0;
}

function matching({ searchString, tier }: OrganizationQuery): SqlPart {
  return part`
    ${searchString === undefined || searchString === '' ? part`` : containing(searchString)}
    ${tier === undefined ? part`` : part`and o.tier = ${tier}`}`;
}

function containing(searchString: string): SqlPart {
  const pattern = `%${searchString.replaceAll(/[\\%_]/g, '\\$&')}%`;
  return part`and o.name ilike ${pattern}`;
}
