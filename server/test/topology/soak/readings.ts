/** What a deployment holds at a moment: memory, descriptors, connections to the database, rows that should not pile up. */
import { once } from 'node:events';
import { request } from 'node:http';
import { basename } from 'node:path';
import type postgres from 'postgres';
import type { Deployment, Surroundings } from '../deployment.ts';
import {
  countDescriptors,
  findDescendants,
  type ProcessMemory,
  readMemory,
  readParents,
} from '../processes.ts';

/** All processes of one kind. Megabytes of 2^20 bytes. */
export interface GroupReading {
  processes: number;
  residentMb: number;
  /** Of the one that has most. */
  largestMb: number;
  ownMb: number;
  /** Undefined where the kernel does not let us ask. */
  proportionalMb: number | undefined;
  descriptors: number;
}

export interface TableReading {
  /** Estimated by PostgreSQL's statistics; those of partitions together. */
  rows: number;
  /** Indexes included. */
  mb: number;
}

export const groupNames = ['workers', 'supervisors', 'nginx', 'pgbouncer', 'valkey', 'postgresql'] as const;
export type GroupName = (typeof groupNames)[number];

export interface Reading {
  groups: Record<GroupName, GroupReading>;
  /** By `/metrics` of all nodes together. */
  metrics: {
    heapUsedMb: number;
    externalMb: number;
    /** Entries by cache. */
    cacheEntries: Record<string, number>;
    /** Of the caches that know. */
    cacheBytes: Record<string, number>;
    workerRestarts: number;
    /** Refused for overload. */
    refusals: number;
  };
  /** Clients of this database, as PostgreSQL counts them; not the one that asks. */
  databaseConnections: number;
  valkeyConnections: number;
  tables: Record<string, TableReading>;
  databaseMb: number;
}

/** Rows come and go: claims, leases and what is to be delivered. They must not pile up. */
export const passingTables: readonly string[] = ['deliveries', 'inbox_leases'];
/** Grow with what was asked for, until retention or the end of a window; sessions and users are updated in place. */
const watchedTables: readonly string[] = [
  ...passingTables,
  'delivery_turns',
  'sessions',
  'users',
  'exercises',
  'signing_keys',
  'event_dedup',
  'audit_entries',
  'events',
  'delivery_attempts',
];

interface Watched {
  deployment: Deployment;
  surroundings: Surroundings;
  /** A connection past the pooler. */
  sql: postgres.Sql;
}

export async function readDeployment({ deployment, surroundings, sql }: Watched): Promise<Reading> {
  const [backend] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
  const parents = readParents();
  const withDescendants = (pid: number) => [pid, ...findDescendants(parents, pid)];
  const supervisors = deployment.nodes.map(({ pid }) => pid);
  const workers = supervisors.flatMap((pid) => findDescendants(parents, pid));
  const postmaster = parents.get(backend?.pid ?? 0);
  const groups = {
    workers: await readGroup(workers),
    supervisors: await readGroup(supervisors),
    nginx: await readGroup(withDescendants(deployment.nginx.pid)),
    pgbouncer: await readGroup([surroundings.pgbouncer.pid()]),
    valkey: await readGroup([surroundings.valkey.pid()]),
    postgresql: await readGroup(postmaster === undefined ? [] : withDescendants(postmaster)),
  };
  const pages = await Promise.all(deployment.nodes.map(({ socket }) => readPage(socket)));
  const [connections] = await sql<{ count: number }[]>`
    select count(*)::int as count from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`;
  const clients = await surroundings.valkey.cli('info', 'clients');
  return {
    groups,
    metrics: readMetrics(pages.join('\n')),
    databaseConnections: connections?.count ?? 0,
    valkeyConnections: Number(/connected_clients:(\d+)/.exec(clients)?.[1]),
    ...(await readTables(sql)),
  };
}

async function readGroup(pids: readonly number[]): Promise<GroupReading> {
  const memories: ProcessMemory[] = [];
  let descriptors = 0;
  for (const pid of pids) {
    const memory = await readMemory(pid);
    // One that has ended a moment ago has nothing.
    if (memory !== undefined) memories.push(memory);
    descriptors += (await countDescriptors(pid)) ?? 0;
  }
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const proportional = memories.flatMap(({ proportionalMb }) => proportionalMb ?? []);
  return {
    processes: memories.length,
    residentMb: sum(memories.map(({ residentMb }) => residentMb)),
    largestMb: Math.max(0, ...memories.map(({ residentMb }) => residentMb)),
    ownMb: sum(memories.map(({ ownMb }) => ownMb)),
    proportionalMb: proportional.length === memories.length ? sum(proportional) : undefined,
    descriptors,
  };
}

/** Past nginx, which shows one node alone. */
async function readPage(socketPath: string): Promise<string> {
  const asked = request({ socketPath, path: '/metrics', agent: false }).end();
  const [response] = await once(asked, 'response');
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += chunk;
  if (response.statusCode !== 200)
    throw new Error(`${basename(socketPath)}: /metrics ${response.statusCode}`);
  return text;
}

function readMetrics(text: string): Reading['metrics'] {
  const valuesOf = (name: string) => [
    ...text.matchAll(new RegExp(`^${name}(?:\\{([^}]*)\\})? ([\\d.e+-]+)$`, 'gm')),
  ];
  const total = (name: string) => valuesOf(name).reduce((sum, [, , value]) => sum + Number(value), 0);
  const byCache = (name: string) => {
    const sums: Record<string, number> = {};
    for (const [, labels = '', value] of valuesOf(name)) {
      const cache = /cache="([^"]*)"/.exec(labels)?.[1] ?? '';
      sums[cache] = (sums[cache] ?? 0) + Number(value);
    }
    return sums;
  };
  const bytesOfMb = 2 ** 20;
  return {
    heapUsedMb: total('nodejs_heap_size_used_bytes') / bytesOfMb,
    externalMb: total('nodejs_external_memory_bytes') / bytesOfMb,
    cacheEntries: byCache('cache_entries'),
    cacheBytes: byCache('cache_bytes'),
    workerRestarts: total('worker_restarts_total'),
    refusals: total('admission_refusals_total'),
  };
}

async function readTables(sql: postgres.Sql): Promise<Pick<Reading, 'tables' | 'databaseMb'>> {
  const rows = await sql<{ name: string; rows: number; bytes: number }[]>`
    with recursive parts as (
      select c.oid, c.relname as name from pg_class c
      where c.relname in ${sql(watchedTables)} and c.relnamespace = 'public'::regnamespace
      union all
      select i.inhrelid, parts.name from pg_inherits i join parts on i.inhparent = parts.oid
    )
    select name, coalesce(sum(s.n_live_tup), 0)::float8 as rows,
      sum(pg_total_relation_size(oid))::float8 as bytes
    from parts left join pg_stat_user_tables s on s.relid = oid
    group by name`;
  const [size] = await sql<{ bytes: number }[]>`select pg_database_size(current_database())::float8 as bytes`;
  const bytesOfMb = 2 ** 20;
  return {
    tables: Object.fromEntries(
      rows.map(({ name, rows: count, bytes }) => [name, { rows: count, mb: bytes / bytesOfMb }]),
    ),
    databaseMb: (size?.bytes ?? 0) / bytesOfMb,
  };
}
