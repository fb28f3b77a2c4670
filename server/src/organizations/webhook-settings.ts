/** Where an organization's events are delivered, and the secret that signs the deliveries. */
import type { ConfiguredWebhook, RotatedSecret } from '@irontrack/contract/organizations.ts';
import type { Audit } from '../audit/audit.ts';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/database.ts';
import { keyProblem, type Organization } from '../http/key-guard.ts';
import type { RequestSource } from '../http/request-source.ts';
import { Problem } from '../problem.ts';
import { removeWebhook, replaceSecret, setWebhook } from './webhook-settings.sql.ts';

export interface WebhookSettings {
  /**
   * Sets or removes the address. Each address comes with a new secret; the one before signs along for a day.
   *
   * @param url http or https, or `''` for none
   */
  configure(organization: Organization, url: string, source: RequestSource): Promise<ConfiguredWebhook>;
  /** @throws Problem `webhook-not-configured` */
  rotateSecret(organization: Organization, source: RequestSource): Promise<RotatedSecret>;
}

interface Needs {
  database: Database;
  audit: Audit;
  clock: Clock;
  randomBytes: (size: number) => Buffer;
  forgetOrganization: (id: string) => void;
}

/** How long the secret of before signs along. */
export const secretOverlapMs = 24 * 60 * 60_000;
const secretBytes = 32;

export function createWebhookSettings(needs: Needs): WebhookSettings {
  const { database, audit, clock, randomBytes, forgetOrganization } = needs;

  function renew() {
    const now = clock();
    const secret = randomBytes(secretBytes);
    return { secret, now, previousUntil: new Date(now.getTime() + secretOverlapMs) };
  }

  return {
    async configure({ id }, url, source) {
      const { secret, previousUntil, now } = renew();
      await database.transaction(source.requestId, async (tx) => {
        const isThere =
          url === ''
            ? await removeWebhook(tx, id, now)
            : await setWebhook(tx, id, { url, secret, previousUntil, now });
        if (!isThere) throw keyProblem('api-key-refused');
        await audit.record(tx, source, {
          action: 'webhook.configured',
          details: { organizationId: id, host: url === '' ? null : new URL(url).host },
        });
      });
      forgetOrganization(id);
      return {
        organization_id: id,
        webhook_url: url,
        secret: url === '' ? '' : spell(secret),
        updated_at: now.toISOString(),
        message:
          url === ''
            ? 'Webhook removed: events stay in the inbox.'
            : 'Webhook set. Keep the secret now: it is shown this once.',
      };
    },

    async rotateSecret({ id }, source) {
      const { secret, previousUntil, now } = renew();
      await database.transaction(source.requestId, async (tx) => {
        const isReplaced = await replaceSecret(tx, id, { secret, previousUntil, now });
        if (!isReplaced) throw new Problem('webhook-not-configured');
        await audit.record(tx, source, {
          action: 'webhook_secret.rotated',
          details: { organizationId: id },
        });
      });
      forgetOrganization(id);
      return { secret: spell(secret), previous_valid_until: previousUntil.toISOString() };
    },
  };
}

/** As Standard Webhooks spells a symmetric secret. */
function spell(secret: Buffer): string {
  return `whsec_${secret.toString('base64')}`;
}
