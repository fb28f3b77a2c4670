import { type Static, Type } from '@sinclair/typebox';
import { Id, Instant, strict } from './fields.ts';
import { OrganizationName, organizationMembers, TierField } from './organizations.ts';

export const KeyGeneration = Type.Object(
  {
    organization_name: OrganizationName,
    // `free` without it.
    tier: Type.Optional(TierField),
    // `live` without it.
    kind: Type.Optional(
      Type.Union([Type.Literal('live'), Type.Literal('test')], {
        description:
          'What the key begins with, `zap_live_` or `zap_test_`: a mark for people, with the same rights.',
      }),
    ),
  },
  { ...strict, title: 'KeyGeneration' },
);
export type KeyGeneration = Static<typeof KeyGeneration>;

const apiKey = Type.String({ description: 'Shown this once; only its SHA-256 is kept.' });
const ratePerMinute = Type.Integer({ description: 'Events a minute.' });

export const GeneratedKey = Type.Object(
  {
    ...organizationMembers,
    api_key: apiKey,
    tier: TierField,
    rate_limit_per_minute: ratePerMinute,
    created_at: Instant,
    warning: Type.String(),
  },
  { title: 'GeneratedKey' },
);
export type GeneratedKey = Static<typeof GeneratedKey>;

/** What a key tells of its organization; never the key itself. */
export const KeyInformation = Type.Object(
  {
    ...organizationMembers,
    tier: TierField,
    rate_limit_per_minute: ratePerMinute,
    webhook_url: Type.String({ description: '`""` when there is none.' }),
    created_at: Instant,
    updated_at: Instant,
    note: Type.String(),
  },
  { title: 'KeyInformation' },
);
export type KeyInformation = Static<typeof KeyInformation>;

export const RotatedKey = Type.Object(
  { ...organizationMembers, api_key: apiKey, rotated_at: Instant, warning: Type.String() },
  { title: 'RotatedKey' },
);
export type RotatedKey = Static<typeof RotatedKey>;

/** A key that a superuser made for an organization. */
export const ReplacementKey = Type.Object(
  { organizationId: Id, apiKey, createdAt: Instant },
  { title: 'ReplacementKey' },
);
export type ReplacementKey = Static<typeof ReplacementKey>;
