/** What housekeeping does in a serving process, and how often. */
import type { Audit } from '../audit/audit.ts';
import type { Events } from '../events/events.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Chore } from './housekeeping.ts';

interface Needs {
  keyring: { reload(): Promise<void> };
  sessions: Pick<Sessions, 'tidy'>;
  audit: Pick<Audit, 'tidy'>;
  events: Pick<Events, 'prepare' | 'dropOld' | 'tidy'>;
  auditRetentionMs: number;
  eventRetentionMs: number;
}

const minuteMs = 60_000;

/** Dead sessions stay this long: they tell from which addresses an account is known. */
const deadSessionRetentionMs = 30 * 24 * 60 * minuteMs;

export function listChores(needs: Needs): readonly Chore[] {
  const { keyring, sessions, audit, events, auditRetentionMs, eventRetentionMs } = needs;
  const before = (now: Date, ageMs: number) => new Date(now.getTime() - ageMs);
  return [
    {
      name: 'renew the signing key',
      everyMs: minuteMs,
      isOfProcess: true,
      run: () => keyring.reload(),
    },
    {
      name: 'delete dead sessions',
      everyMs: 60 * minuteMs,
      run: (now) => sessions.tidy(before(now, deadSessionRetentionMs)),
    },
    {
      name: 'delete old audit entries',
      everyMs: 60 * minuteMs,
      run: (now) => audit.tidy(before(now, auditRetentionMs)),
    },
    { name: 'make partitions for events', everyMs: 10 * minuteMs, run: () => events.prepare() },
    {
      name: 'delete old events',
      everyMs: 10 * minuteMs,
      run: (now) => events.dropOld(before(now, eventRetentionMs)),
    },
    { name: 'forget old dedup ids and leases', everyMs: minuteMs, run: () => events.tidy() },
  ];
}
