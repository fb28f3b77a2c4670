/** Keeps the tables of events in shape: a partition a day made ahead, and what is past its time taken out. */
import type { Sql } from '../database/sql.ts';
import { lowestIdAt } from './event-ids.ts';
import {
  deleteExpiredLeases,
  deleteExpiredMarks,
  deleteStrayAttempts,
  deleteStrayEvents,
  dropPartition,
  makePartition,
  selectPartitions,
} from './partitions.sql.ts';

const dayMs = 24 * 60 * 60 * 1000;

/** The default partition takes an event for which there is none, so this need not be generous. */
const daysAhead = 2;

const dailyTables = [
  { parent: 'events', keyColumn: 'id', boundOf: lowestIdAt },
  { parent: 'delivery_attempts', keyColumn: 'at', boundOf: (day: Date) => day.toISOString() },
] as const;

/** Deleting in small transactions keeps locks and bloat small. */
const deletedAtOnce = 5_000;

/** Makes today's partitions and the next ones. */
export async function makePartitions(sql: Sql, now: Date): Promise<void> {
  for (const { parent, keyColumn, boundOf } of dailyTables) {
    const known = new Set(await selectPartitions(sql, parent));
    for (let ahead = 0; ahead <= daysAhead; ahead += 1) {
      const day = new Date(startOfDay(now).getTime() + ahead * dayMs);
      const name = nameOf(parent, day);
      if (known.has(name)) continue;
      const next = new Date(day.getTime() + dayMs);
      await makePartition(sql, { parent, keyColumn, name, low: boundOf(day), high: boundOf(next) });
    }
  }
}

/** Drops the partitions that hold nothing younger than `before`. */
export async function dropOldPartitions(sql: Sql, before: Date): Promise<void> {
  for (const { parent } of dailyTables) {
    // Names are in the order of days.
    const firstKept = nameOf(parent, startOfDay(before));
    for (const name of await selectPartitions(sql, parent)) {
      if (name < firstKept) await dropPartition(sql, parent, name);
    }
  }
  await repeat(() => deleteStrayEvents(sql, lowestIdAt(before), deletedAtOnce));
  await repeat(() => deleteStrayAttempts(sql, before, deletedAtOnce));
}

/** Deletes dedup marks and leases whose time is over. */
export async function deleteExpired(sql: Sql, now: Date): Promise<void> {
  await repeat(() => deleteExpiredMarks(sql, now, deletedAtOnce));
  await repeat(() => deleteExpiredLeases(sql, now, deletedAtOnce));
}

async function repeat(deleteSome: () => Promise<number>): Promise<void> {
  while ((await deleteSome()) === deletedAtOnce);
}

function startOfDay(time: Date): Date {
  return new Date(Math.floor(time.getTime() / dayMs) * dayMs);
}

function nameOf(parent: string, day: Date): string {
  return `${parent}_${day.toISOString().slice(0, 10).replaceAll('-', '')}`;
}
