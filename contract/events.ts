import { type Static, Type } from '@sinclair/typebox';
import { GivenInstant, Id, Instant, strict } from './fields.ts';

/** Events of an organization: posted, read from its inbox, acknowledged, replayed. Spelt in snake_case. */

/** Of the JSON text, in UTF-8. */
export const mostPayloadBytes = 262_144;

/** A dedup_id is remembered this long, counted from the event that was stored under it. */
export const dedupWindowMs = 24 * 60 * 60 * 1000;

export const mostInBatch = 100;

/** An answer with events ends with the one that brings its payloads to this. */
export const fullPageBytes = 4 * 1024 * 1024;

const untilFull = `fewer when their payloads come to ${fullPageBytes} bytes before`;

const Payload = Type.Unsafe<object>({
  type: 'object',
  description: `A JSON object of at most ${mostPayloadBytes} bytes; kept and delivered byte for byte.`,
});
const EventType = Type.String({ minLength: 1, maxLength: 255, examples: ['order.created'] });
const DedupId = Type.Unsafe<string | null>({
  type: ['string', 'null'],
  minLength: 1,
  maxLength: 255,
  description:
    'A second event under the same id within 24 h is refused. The header Idempotency-Key does the same.',
});

export const EventCreation = Type.Object(
  {
    type: EventType,
    payload: Type.Optional(Payload),
    data: Type.Optional(Type.Unsafe<object>({ ...Payload, description: 'Another name for `payload`.' })),
    dedup_id: Type.Optional(DedupId),
  },
  { ...strict, title: 'EventCreation', description: 'One of `payload` and `data` is required.' },
);

export const EventBatch = Type.Object(
  { events: Type.Array(EventCreation, { minItems: 1, maxItems: mostInBatch }) },
  { ...strict, title: 'EventBatch' },
);

export const EventStatus = Type.Union(
  [Type.Literal('pending'), Type.Literal('delivered'), Type.Literal('retrying'), Type.Literal('failed')],
  { title: 'EventStatus' },
);
export type EventStatus = Static<typeof EventStatus>;

const eventId = { ...Id, description: 'The same as `id`.' };

export const StoredEvent = Type.Object(
  {
    id: Id,
    event_id: eventId,
    type: Type.String(),
    organization_id: Id,
    status: Type.Literal('pending'),
    created_at: Instant,
    message: Type.String(),
  },
  { title: 'StoredEvent' },
);

export const BatchResults = Type.Object(
  {
    results: Type.Array(
      Type.Object({
        status: Type.Integer({ description: 'What the event alone would have been answered with.' }),
        id: Type.Optional({ ...Id, description: 'Of the event; for 409 of the one stored before.' }),
        code: Type.Optional(Type.String()),
        error: Type.Optional(Type.String()),
      }),
    ),
  },
  { title: 'BatchResults', description: 'One result an event, in order.' },
);

const nullableInstant = Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time' });
const nullableText = Type.Unsafe<string | null>({ type: ['string', 'null'] });

const inboxMembers = {
  id: Id,
  type: Type.String(),
  payload: Payload,
  dedup_id: nullableText,
  created_at: Instant,
  status: EventStatus,
  delivery_status: Type.Unsafe<EventStatus>({ ...EventStatus, description: 'The same as `status`.' }),
  attempts: Type.Integer({ description: 'Deliveries that were tried.' }),
  next_attempt_at: nullableInstant,
  last_error: nullableText,
};

export const InboxEvent = Type.Object(inboxMembers, { title: 'InboxEvent' });

export const EventDetails = Type.Object(
  {
    ...inboxMembers,
    organization_id: Id,
    acknowledged_at: nullableInstant,
    delivery_attempts: Type.Array(
      Type.Object({
        at: Instant,
        status_code: Type.Unsafe<number | null>({ type: ['integer', 'null'] }),
        duration_ms: Type.Integer(),
        error: nullableText,
      }),
    ),
  },
  { title: 'EventDetails' },
);

export const InboxQuery = Type.Object(
  {
    limit: Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 100,
      description: `At most so many events; ${untilFull}.`,
    }),
    cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    status: Type.Optional(EventStatus),
    offset: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000, description: 'Without it 0.' })),
  },
  strict,
);
export type InboxQuery = Static<typeof InboxQuery>;

export const InboxPage = Type.Object(
  {
    events: Type.Array(InboxEvent),
    next_cursor: Type.Unsafe<string | null>({
      ...nullableText,
      description: 'Leads on from the last event given; null when none follows.',
    }),
    count: Type.Integer(),
    limit: Type.Integer({
      description: `As asked for, or the same as \`count\` when ${fullPageBytes} bytes of payloads ended the page.`,
    }),
    offset: Type.Integer(),
    total: Type.Unsafe<number | null>({
      type: ['integer', 'null'],
      description: 'Only when `offset` is given.',
    }),
  },
  { title: 'InboxPage' },
);

export const LeaseRequest = Type.Object(
  {
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        default: 100,
        description: `At most so many events; ${untilFull}, and the others are left to the next lease.`,
      }),
    ),
    lease_seconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 3600, default: 60 })),
  },
  { ...strict, title: 'LeaseRequest' },
);
export type LeaseRequest = Static<typeof LeaseRequest>;

export const LeasedEvents = Type.Object(
  { events: Type.Array(InboxEvent), count: Type.Integer(), leased_until: Instant },
  { title: 'LeasedEvents' },
);

export const Acknowledgement = Type.Object(
  {
    id: Id,
    status: Type.Literal('delivered'),
    acknowledged_at: Instant,
    message: Type.String(),
  },
  { title: 'Acknowledgement' },
);
export type Acknowledgement = Static<typeof Acknowledgement>;

export const AcknowledgeMany = Type.Object(
  { event_ids: Type.Array(Type.String({ minLength: 1, maxLength: 255 }), { minItems: 1, maxItems: 100 }) },
  { ...strict, title: 'AcknowledgeMany' },
);

export const Acknowledgements = Type.Object(
  {
    acknowledged: Type.Integer(),
    failed: Type.Integer(),
    results: Type.Array(
      Type.Object({
        id: Type.String(),
        status: Type.Union([Type.Literal('delivered'), Type.Literal('not_found')]),
        acknowledged_at: nullableInstant,
      }),
    ),
  },
  { title: 'Acknowledgements' },
);
export type Acknowledgements = Static<typeof Acknowledgements>;

export const ReplayFilter = Type.Object(
  {
    status: Type.Optional(EventStatus),
    type: Type.Optional(EventType),
    since: Type.Optional(GivenInstant),
    until: Type.Optional(GivenInstant),
  },
  { ...strict, title: 'ReplayFilter' },
);
export type ReplayFilter = Static<typeof ReplayFilter>;

export const Replayed = Type.Object({ replayed: Type.Integer() }, { title: 'Replayed' });
export type Replayed = Static<typeof Replayed>;

export const EventParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 255 }) }, strict);
