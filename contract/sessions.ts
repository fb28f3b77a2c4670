import { type Static, Type } from '@sinclair/typebox';
import { Id, Instant } from './fields.ts';

export const Session = Type.Object(
  {
    id: Id,
    createdAt: Instant,
    lastSeenAt: Instant,
    expiresAt: Instant,
    ipAddress: Type.Union([Type.String(), Type.Null()]),
    userAgent: Type.Union([Type.String(), Type.Null()]),
    current: Type.Boolean({ description: 'True for the session that asks.' }),
  },
  { title: 'Session' },
);
export type Session = Static<typeof Session>;

export const SessionList = Type.Object({ items: Type.Array(Session) }, { title: 'SessionList' });
export type SessionList = Static<typeof SessionList>;
