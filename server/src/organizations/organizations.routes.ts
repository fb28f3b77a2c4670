import {
  ConfiguredWebhook,
  OrganizationChange,
  OrganizationPage,
  OrganizationQuery,
  OrganizationView,
  RotatedSecret,
  WebhookConfiguration,
} from '@irontrack/contract/organizations.ts';
import { IdParams } from '@irontrack/contract/users.ts';
import type { App } from '../http/app.ts';
import { readCaller } from '../http/guard.ts';
import { readOrganization } from '../http/key-guard.ts';
import { readSource } from '../http/request-source.ts';
import type { Organizations } from './organizations.ts';
import type { WebhookSettings } from './webhook-settings.ts';

interface Needs {
  organizations: Organizations;
  webhookSettings: WebhookSettings;
}

export function mountOrganizations(app: App, { organizations, webhookSettings }: Needs): void {
  mountWebhookSettings(app, webhookSettings);
  mountViews(app, organizations);
}

function mountWebhookSettings(app: App, webhookSettings: WebhookSettings): void {
  const config = { access: 'key' } as const;
  const tags = ['Webhook settings'];

  app.post(
    '/api/webhook/config',
    {
      config,
      schema: {
        tags,
        summary: 'Set or remove where events are delivered',
        body: WebhookConfiguration,
        response: { 200: ConfiguredWebhook },
      },
    },
    (request) =>
      webhookSettings.configure(readOrganization(request), request.body.webhook_url, readSource(request)),
  );

  app.post(
    '/api/webhook/secret/rotate',
    {
      config,
      schema: {
        tags,
        summary: 'Replace the secret; the old one signs along for 24 hours',
        problems: ['webhook-not-configured'],
        response: { 200: RotatedSecret },
      },
    },
    (request) => webhookSettings.rotateSecret(readOrganization(request), readSource(request)),
  );
}

function mountViews(app: App, organizations: Organizations): void {
  const config = { access: 'superuser' } as const;
  const tags = ['Organizations'];

  app.get(
    '/api/v1/organizations',
    {
      config: { ...config, cost: 'costly' },
      schema: {
        tags,
        summary: 'List organizations',
        querystring: OrganizationQuery,
        response: { 200: OrganizationPage },
      },
    },
    (request) => organizations.list(request.query, readSource(request)),
  );

  app.get(
    '/api/v1/organizations/:id',
    {
      config,
      schema: {
        tags,
        summary: 'Read an organization',
        problems: ['organization-not-found'],
        params: IdParams,
        response: { 200: OrganizationView },
      },
    },
    (request) => organizations.read(request.params.id.toLowerCase(), readSource(request)),
  );

  app.patch(
    '/api/v1/organizations/:id',
    {
      config,
      schema: {
        tags,
        summary: 'Change name or tier of an organization',
        problems: ['organization-not-found'],
        params: IdParams,
        body: OrganizationChange,
        response: { 200: OrganizationView },
      },
    },
    (request) =>
      organizations.change(
        readCaller(request),
        request.params.id.toLowerCase(),
        request.body,
        readSource(request),
      ),
  );
}
