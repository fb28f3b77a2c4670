import { type Static, Type } from '@sinclair/typebox';
import { GivenInstant, Id, Instant, Paging, pageMembers, strict } from './fields.ts';

/** What the audit trail records. `actor` did it, `subject` is whose account it was done to. */
export const auditActions = [
  'user.created',
  'user.updated',
  'user.deleted',
  'user.activated',
  'user.deactivated',
  'user.signed_in',
  'user.sign_in_failed',
  'user.signed_out',
  'password.changed',
  'password.change_failed',
  'password.set_by_administrator',
  'password.hash_renewed',
  'refresh.reused',
  'session.revoked',
  'role.changed',
  'signing_key.created',
  'signing_key.rotated',
  'signing_key.revoked',
  'catalog_item.created',
  'catalog_item.updated',
  'catalog_item.deleted',
  'exercise.created',
  'exercise.updated',
  'exercise.deleted',
  'organization.created',
  'organization.updated',
  'api_key.rotated',
  'webhook.configured',
  'webhook_secret.rotated',
  'events.replayed',
] as const;

export type AuditAction = (typeof auditActions)[number];

export const AuditActionField = Type.Union(
  auditActions.map((action) => Type.Literal(action)),
  { title: 'AuditAction' },
);

const nullableId = Type.Union([Id, Type.Null()]);
const nullableText = Type.Union([Type.String(), Type.Null()]);

export const AuditEntry = Type.Object(
  {
    id: Id,
    at: Instant,
    action: Type.String(),
    actorId: nullableId,
    subjectId: nullableId,
    sessionId: nullableId,
    ipAddress: nullableText,
    userAgent: nullableText,
    requestId: nullableText,
    details: Type.Record(Type.String(), Type.Unknown()),
  },
  { title: 'AuditEntry' },
);
export type AuditEntry = Static<typeof AuditEntry>;

export const AuditQuery = Type.Object(
  {
    ...Paging,
    action: Type.Optional(AuditActionField),
    actorId: Type.Optional(Id),
    subjectId: Type.Optional(Id),
    since: Type.Optional(GivenInstant),
    until: Type.Optional(GivenInstant),
  },
  strict,
);
export type AuditQuery = Static<typeof AuditQuery>;

export const AuditPage = Type.Object(
  { items: Type.Array(AuditEntry), ...pageMembers },
  { title: 'AuditPage' },
);
export type AuditPage = Static<typeof AuditPage>;
