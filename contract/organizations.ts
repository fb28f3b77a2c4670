import { type Static, Type } from '@sinclair/typebox';
import { Id, Instant, Paging, pageMembers, SortOrder, strict } from './fields.ts';

/** What an organization may send in a minute, by tier. */
export const tiers = {
  free: { eventsPerMinute: 100 },
  pro: { eventsPerMinute: 1_000 },
  business: { eventsPerMinute: 10_000 },
  enterprise: { eventsPerMinute: 100_000 },
} as const satisfies Record<string, { eventsPerMinute: number }>;

export type Tier = keyof typeof tiers;

export const TierField = Type.Union(
  [Type.Literal('free'), Type.Literal('pro'), Type.Literal('business'), Type.Literal('enterprise')],
  { title: 'Tier' },
);

/** Whose events are the service's own happenings. There from the first migration on. */
export const builtInOrganizationId = '0198f000-0000-7000-8000-000000000001';

/** The actions of the audit trail that are events of the built-in organization too. */
export const happenings = [
  'user.created',
  'user.signed_in',
  'user.deleted',
  'session.revoked',
  'refresh.reused',
  'role.changed',
] as const;

export const OrganizationName = Type.String({ minLength: 1, maxLength: 255 });

/** What answers of the events API about an organization start with; that API is spelt in snake_case. */
export const organizationMembers = {
  organization_id: Id,
  organization_name: Type.String(),
};

export const WebhookConfiguration = Type.Object(
  {
    webhook_url: Type.String({
      format: 'web-address-or-nothing',
      maxLength: 2048,
      description: 'Kept to the byte. Where it points is checked at each connection; `""` removes it.',
      examples: ['https://example.org/hooks/irontrack'],
    }),
  },
  { ...strict, title: 'WebhookConfiguration' },
);

const secret = Type.String({
  description: 'Signs the deliveries (Standard Webhooks). Shown this once; `""` without an address.',
});

export const ConfiguredWebhook = Type.Object(
  {
    organization_id: Id,
    webhook_url: Type.String(),
    secret,
    updated_at: Instant,
    message: Type.String(),
  },
  { title: 'ConfiguredWebhook' },
);
export type ConfiguredWebhook = Static<typeof ConfiguredWebhook>;

export const RotatedSecret = Type.Object(
  { secret, previous_valid_until: Instant },
  { title: 'RotatedSecret' },
);
export type RotatedSecret = Static<typeof RotatedSecret>;

/** An organization as superusers see it. */
export const OrganizationView = Type.Object(
  {
    id: Id,
    name: Type.String(),
    tier: TierField,
    eventsPerMinute: Type.Integer(),
    webhookUrl: Type.String({ description: '`""` when there is none.' }),
    isWebhookDisabled: Type.Boolean({ description: 'The address answered 410 Gone.' }),
    createdAt: Instant,
    updatedAt: Instant,
  },
  { title: 'Organization' },
);
export type OrganizationView = Static<typeof OrganizationView>;

export const OrganizationQuery = Type.Object(
  {
    ...Paging,
    searchString: Type.Optional(Type.String({ maxLength: 255 })),
    tier: Type.Optional(TierField),
    sortOrder: SortOrder,
  },
  strict,
);
export type OrganizationQuery = Static<typeof OrganizationQuery>;

export const OrganizationPage = Type.Object(
  { items: Type.Array(OrganizationView), ...pageMembers },
  { title: 'OrganizationPage' },
);
export type OrganizationPage = Static<typeof OrganizationPage>;

export const OrganizationChange = Type.Object(
  { name: Type.Optional(OrganizationName), tier: Type.Optional(TierField) },
  { ...strict, title: 'OrganizationChange' },
);
export type OrganizationChange = Static<typeof OrganizationChange>;
