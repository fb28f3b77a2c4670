import type { Sql } from '../database/sql.ts';

interface NewAddress {
  url: string;
  secret: Buffer;
  /** Until when the secret of before signs along. */
  previousUntil: Date;
  now: Date;
}

/** Sets an address with a new secret. @returns whether the organization exists */
export async function setWebhook(
  tx: Sql,
  organizationId: string,
  { url, secret, previousUntil, now }: NewAddress,
): Promise<boolean> {
  const rows = await tx`
    update organizations set
      webhook_url = ${url},
      previous_webhook_secret = webhook_secret,
      previous_webhook_secret_until = case when webhook_secret is null then null else ${previousUntil}::timestamptz end,
      webhook_secret = ${secret},
      webhook_disabled_at = null,
      updated_at = ${now}
    where id = ${organizationId}
    returning id`;
  return rows.length === 1;
}

/** @returns whether the organization exists */
export async function removeWebhook(tx: Sql, organizationId: string, now: Date): Promise<boolean> {
  const rows = await tx`
    update organizations set
      webhook_url = '', webhook_secret = null, previous_webhook_secret = null, previous_webhook_secret_until = null,
      webhook_disabled_at = null, updated_at = ${now}
    where id = ${organizationId}
    returning id`;
  return rows.length === 1;
}

/** @returns whether there is an address whose secret could be replaced */
export async function replaceSecret(
  tx: Sql,
  organizationId: string,
  { secret, previousUntil, now }: Omit<NewAddress, 'url'>,
): Promise<boolean> {
  const rows = await tx`
    update organizations set
      previous_webhook_secret = webhook_secret,
      previous_webhook_secret_until = ${previousUntil},
      webhook_secret = ${secret},
      updated_at = ${now}
    where id = ${organizationId} and webhook_url <> ''
    returning id`;
  return rows.length === 1;
}
