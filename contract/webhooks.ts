import { type Static, Type } from '@sinclair/typebox';
import { EventStatus, ReplayFilter } from './events.ts';
import { Id, Instant, Paging, pageMembers, strict } from './fields.ts';

/** Events and their deliveries as superusers see them. */

const nullableText = Type.Union([Type.String(), Type.Null()]);
const nullableInstant = Type.Union([Instant, Type.Null()]);

export const Attempt = Type.Object(
  {
    eventId: Id,
    number: Type.Integer({ description: 'Which attempt of the delivery it was, from 1.' }),
    at: Instant,
    statusCode: Type.Union([Type.Integer(), Type.Null()], { description: 'Null without an answer.' }),
    durationMs: Type.Integer(),
    error: nullableText,
  },
  { title: 'DeliveryAttempt' },
);
export type Attempt = Static<typeof Attempt>;

export const AttemptQuery = Type.Object(
  {
    ...Paging,
    eventId: Type.Optional(Id),
    isFailure: Type.Optional(Type.Boolean()),
  },
  strict,
);
export type AttemptQuery = Static<typeof AttemptQuery>;

export const AttemptPage = Type.Object(
  { items: Type.Array(Attempt), ...pageMembers },
  { title: 'DeliveryAttemptPage' },
);
export type AttemptPage = Static<typeof AttemptPage>;

export const Delivery = Type.Object(
  {
    eventId: Id,
    attempts: Type.Integer({ description: 'Attempts that were made.' }),
    nextAttemptAt: Instant,
    isUnderWay: Type.Boolean({ description: 'A worker has it now.' }),
    lastError: nullableText,
  },
  { title: 'Delivery' },
);
export type Delivery = Static<typeof Delivery>;

export const DeliveryQuery = Type.Object(Paging, strict);
export type DeliveryQuery = Static<typeof DeliveryQuery>;

export const DeliveryPage = Type.Object(
  {
    items: Type.Array(Delivery),
    ...pageMembers,
    failuresInARow: Type.Integer({ description: 'Of the address, since its last success.' }),
    pausedUntil: { ...nullableInstant, description: 'The address is left alone until then.' },
  },
  { title: 'DeliveryPage' },
);
export type DeliveryPage = Static<typeof DeliveryPage>;

export const EventSummary = Type.Object(
  {
    id: Id,
    type: Type.String(),
    dedupId: nullableText,
    status: EventStatus,
    attempts: Type.Integer(),
    nextAttemptAt: nullableInstant,
    lastError: nullableText,
    createdAt: Instant,
  },
  { title: 'EventSummary' },
);
export type EventSummary = Static<typeof EventSummary>;

export const EventSummaryQuery = Type.Object(
  {
    status: Type.Optional(EventStatus),
    type: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
    before: Type.Optional({ ...Id, description: 'Events older than this one.' }),
    pageSize: Paging.pageSize,
  },
  strict,
);
export type EventSummaryQuery = Static<typeof EventSummaryQuery>;

export const EventSummaryPage = Type.Object(
  {
    items: Type.Array(EventSummary),
    nextBefore: { ...Type.Union([Id, Type.Null()]), description: 'For the next page; null at the end.' },
  },
  { title: 'EventSummaryPage' },
);
export type EventSummaryPage = Static<typeof EventSummaryPage>;

export const ReplayOrder = Type.Object(
  { eventId: Type.Optional(Id), ...ReplayFilter.properties },
  { ...strict, title: 'ReplayOrder', description: 'One event, or all that the other members leave.' },
);
export type ReplayOrder = Static<typeof ReplayOrder>;
