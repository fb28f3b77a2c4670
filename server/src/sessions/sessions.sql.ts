import type { Session } from '@irontrack/contract/sessions.ts';
import { hashRefreshSecret, type RefreshToken } from '../crypto/refresh-token.ts';
import { arrayText, type Sql } from '../database/sql.ts';
import type { RequestSource } from '../http/request-source.ts';
import type { EndReason } from './sessions.ts';

interface NewSession {
  sessionId: string;
  userId: string;
  verifiedHash: string;
  generation: number;
  tagKey: Buffer;
  currentHash: Buffer;
  now: Date;
  idleEndsAt: Date;
  absoluteEndsAt: Date;
  source: RequestSource;
}

/**
 * Inserts a session of an active account whose password hash still is the verified one. The share lock makes a
 * password change that is under way come wholly before (no session) or wholly after (it ends this session too).
 *
 * @returns when the session ends unless it is refreshed; undefined when the account changed
 */
export async function insertSession(tx: Sql, session: NewSession): Promise<Date | undefined> {
  const [row] = await tx<{ endsAt: Date }>`
    with account as (
      select id from users
      where id = ${session.userId} and is_active and password_hash = ${session.verifiedHash}
      for share
    )
    insert into sessions
      (id, user_id, generation, tag_key, current_hash, created_at, last_seen_at, idle_ends_at, absolute_ends_at,
       ip_address, user_agent)
    select ${session.sessionId}, account.id, ${session.generation}, ${session.tagKey}, ${session.currentHash},
      ${session.now}, ${session.now}, ${session.idleEndsAt}, ${session.absoluteEndsAt},
      ${session.source.ipAddress}, ${session.source.userAgent}
    from account
    returning least(idle_ends_at, absolute_ends_at) as "endsAt"`;
  return row?.endsAt;
}

/** The live token of a session, and what takes its place. */
export interface RotationStep {
  presented: RefreshToken;
  rotationSalt: Buffer;
  successorHash: Buffer;
}

export interface RotationTimes {
  now: Date;
  idleEndsAt: Date;
}

export interface Rotated {
  userId: string;
  tagKey: Buffer;
  endsAt: Date;
}

/**
 * The compare-and-swap that makes a successor: of all who present the live token at once, one row is returned to one.
 * A single statement, so it is its own transaction. PostgreSQL's own time counts where it is later: it may have stood still
 * with the statement in hand, and a client that was answered 503 meanwhile must not come too late with the predecessor.
 */
export async function rotateRefreshToken(
  sql: Sql,
  { presented, rotationSalt, successorHash }: RotationStep,
  { now, idleEndsAt }: RotationTimes,
): Promise<Rotated | undefined> {
  const presentedHash = hashRefreshSecret(presented.secret);
  const [row] = await sql<Rotated>`
    update sessions s
    set generation = s.generation + 1, previous_hash = s.current_hash, current_hash = ${successorHash},
      rotation_salt = ${rotationSalt}, rotated_at = greatest(${now}, clock_timestamp()), last_seen_at = ${now},
      idle_ends_at = ${idleEndsAt}
    from users u
    where s.id = ${presented.sessionId} and s.generation = ${presented.generation}
      and s.current_hash = ${presentedHash}
      and s.ended_at is null and s.idle_ends_at > ${now} and s.absolute_ends_at > ${now}
      and u.id = s.user_id and u.is_active
    returning s.user_id as "userId", s.tag_key as "tagKey",
      least(s.idle_ends_at, s.absolute_ends_at) as "endsAt"`;
  return row;
}

/**
 * The same for several sessions at once. It passes over a row that somebody else holds, instead of waiting for it while it
 * holds others itself: so it is part of no deadlock.
 *
 * @param steps of different sessions
 * @returns those that were rotated; of the others the statement for one says why not
 */
export async function rotateRefreshTokens(
  sql: Sql,
  steps: readonly RotationStep[],
  { now, idleEndsAt }: RotationTimes,
): Promise<(Rotated & { sessionId: string })[]> {
  const ids = arrayText(steps.map(({ presented }) => presented.sessionId));
  const generations = arrayText(steps.map(({ presented }) => String(presented.generation)));
  const presentedHashes = arrayText(
    steps.map(({ presented }) => bytesOf(hashRefreshSecret(presented.secret))),
  );
  const successorHashes = arrayText(steps.map(({ successorHash }) => bytesOf(successorHash)));
  const rotationSalts = arrayText(steps.map(({ rotationSalt }) => bytesOf(rotationSalt)));
  return await sql<Rotated & { sessionId: string }>`
    with given as materialized (
      select * from unnest(
        ${ids}::uuid[], ${generations}::int[], ${presentedHashes}::bytea[], ${successorHashes}::bytea[],
        ${rotationSalts}::bytea[]
      ) as g (id, generation, presented_hash, successor_hash, rotation_salt)
    ),
    free as materialized (
      select s.id from sessions s where s.id = any (${ids}::uuid[]) for no key update skip locked
    )
    update sessions s
    set generation = s.generation + 1, previous_hash = s.current_hash, current_hash = g.successor_hash,
      rotation_salt = g.rotation_salt, rotated_at = greatest(${now}, clock_timestamp()), last_seen_at = ${now},
      idle_ends_at = ${idleEndsAt}
    from given g, free, users u
    where s.id = g.id and free.id = g.id and s.generation = g.generation and s.current_hash = g.presented_hash
      and s.ended_at is null and s.idle_ends_at > ${now} and s.absolute_ends_at > ${now}
      and u.id = s.user_id and u.is_active
    returning s.id as "sessionId", s.user_id as "userId", s.tag_key as "tagKey",
      least(s.idle_ends_at, s.absolute_ends_at) as "endsAt"`;
}

/** As an element of an array: its backslash is doubled there. */
function bytesOf(bytes: Buffer): string {
  return `"\\\\x${bytes.toString('hex')}"`;
}

export interface RefreshState {
  userId: string;
  generation: number;
  tagKey: Buffer;
  currentHash: Buffer;
  previousHash: Buffer | null;
  rotationSalt: Buffer | null;
  rotatedAt: Date | null;
  endsAt: Date;
}

/** The session's rotation as it is now; nothing for a session that has ended or whose account is inactive. */
export async function findRefreshState(
  sql: Sql,
  sessionId: string,
  now: Date,
): Promise<RefreshState | undefined> {
  const [row] = await sql<RefreshState>`
    select s.user_id as "userId", s.generation, s.tag_key as "tagKey", s.current_hash as "currentHash",
      s.previous_hash as "previousHash", s.rotation_salt as "rotationSalt", s.rotated_at as "rotatedAt",
      least(s.idle_ends_at, s.absolute_ends_at) as "endsAt"
    from sessions s join users u on u.id = s.user_id
    where s.id = ${sessionId} and s.ended_at is null and s.idle_ends_at > ${now} and s.absolute_ends_at > ${now}
      and u.is_active`;
  return row;
}

/** Whose session it is; nothing for a session that has ended or whose account is inactive. */
export async function findOwner(sql: Sql, sessionId: string, now: Date): Promise<string | undefined> {
  const [row] = await sql<{ userId: string }>`
    select s.user_id as "userId"
    from sessions s join users u on u.id = s.user_id
    where s.id = ${sessionId} and s.ended_at is null and s.idle_ends_at > ${now} and s.absolute_ends_at > ${now}
      and u.is_active`;
  return row?.userId;
}

/** @returns the user whose session it was; undefined when it had ended before */
export async function endLiveSession(
  tx: Sql,
  sessionId: string,
  because: EndReason,
  now: Date,
): Promise<string | undefined> {
  const [row] = await tx<{ userId: string }>`
    update sessions set ended_at = ${now}, ended_because = ${because}
    where id = ${sessionId} and ended_at is null and idle_ends_at > ${now} and absolute_ends_at > ${now}
    returning user_id as "userId"`;
  return row?.userId;
}

/** @param except a session that goes on, or null */
export async function endLiveSessionsOfUser(
  tx: Sql,
  userId: string,
  because: EndReason,
  now: Date,
  except: string | null,
): Promise<string[]> {
  const rows = await tx<{ id: string }>`
    update sessions set ended_at = ${now}, ended_because = ${because}
    where user_id = ${userId} and ended_at is null and id is distinct from ${except}::uuid
    returning id`;
  return rows.map((row) => row.id);
}

/**
 * Ends all but so many live sessions of a user, those first that were used longest ago.
 *
 * @returns their ids
 */
export async function endLeastUsedSessions(
  tx: Sql,
  userId: string,
  most: number,
  because: EndReason,
  now: Date,
): Promise<string[]> {
  const rows = await tx<{ id: string }>`
    update sessions set ended_at = ${now}, ended_because = ${because}
    where ended_at is null and id in (
      select id from sessions
      where user_id = ${userId} and ended_at is null and idle_ends_at > ${now} and absolute_ends_at > ${now}
      order by last_seen_at desc, id desc
      offset ${most}
    )
    returning id`;
  return rows.map((row) => row.id);
}

/** Those that somebody ended a moment ago: this node may not have heard of it yet. */
export async function selectSessionsEndedSince(sql: Sql, userId: string, since: Date): Promise<string[]> {
  const rows = await sql<{ id: string }>`
    select id from sessions where user_id = ${userId} and ended_at >= ${since}`;
  return rows.map((row) => row.id);
}

interface SessionRow extends Omit<Session, 'createdAt' | 'lastSeenAt' | 'expiresAt' | 'current'> {
  createdAt: Date;
  lastSeenAt: Date;
  expiresAt: Date;
}

/** Most recently used first. */
export async function selectLiveSessions(
  sql: Sql,
  userId: string,
  currentId: string,
  now: Date,
): Promise<Session[]> {
  const rows = await sql<SessionRow>`
    select id, created_at as "createdAt", last_seen_at as "lastSeenAt",
      least(idle_ends_at, absolute_ends_at) as "expiresAt", ip_address as "ipAddress", user_agent as "userAgent"
    from sessions
    where user_id = ${userId} and ended_at is null and idle_ends_at > ${now} and absolute_ends_at > ${now}
    order by last_seen_at desc, id desc`;
  return rows.map(({ createdAt, lastSeenAt, expiresAt, ...row }) => ({
    ...row,
    createdAt: createdAt.toISOString(),
    lastSeenAt: lastSeenAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    current: row.id === currentId,
  }));
}

/** Removes sessions that ended before a time, some at once. @returns how many */
export async function deleteDeadSessions(sql: Sql, before: Date, limit: number): Promise<number> {
  const rows = await sql`
    delete from sessions where id in (
      select id from sessions where ended_at < ${before} or absolute_ends_at < ${before}
      limit ${limit}
    )
    returning id`;
  return rows.length;
}

/**
 * As `deleteDeadSessions`, for those that nobody refreshed. It reads every live session (some 0.4 s a million), since
 * an index on `idle_ends_at` would cost each refresh its heap-only update.
 */
export async function deleteIdleSessions(sql: Sql, before: Date, limit: number): Promise<number> {
  const rows = await sql`
    delete from sessions where id in (
      select id from sessions where idle_ends_at < ${before} and ended_at is null limit ${limit}
    )
    returning id`;
  return rows.length;
}
