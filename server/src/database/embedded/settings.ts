/**
 * The settings PostgreSQL runs with. They are given on its command line, not written into the cluster, so that an
 * upgrade of IronTrack brings its settings along and the cluster's own files stay as initdb made them.
 */
import type { Listener } from './listener.ts';

export interface Settings {
  listener: Listener;
  maxConnections: number;
  durable: boolean;
}

/** Command-line arguments for the postgres program. */
export function postgresArguments(
  clusterDir: string,
  { listener, maxConnections, durable }: Settings,
): string[] {
  const settings: Record<string, string | number> = {
    ...listening(listener),
    max_connections: maxConnections,

    // Memory: a sign-in service reads few and short rows, and the page cache of the system backs this up. With the
    // settings below PostgreSQL holds 21 MB at rest, 26 MB with the defaults (sum of Pss).
    shared_buffers: '64MB',
    work_mem: '4MB',
    maintenance_work_mem: '64MB',
    // Three I/O workers less (2.5 MB). They speed up large reads from disk, which we do not have.
    io_method: 'sync',
    // Statements here touch a handful of rows: planning them for several processes, or compiling them (jit), costs
    // more than it can win.
    max_parallel_workers_per_gather: 0,
    jit: 'off',
    // One idle process less: nothing subscribes to another server.
    max_logical_replication_workers: 0,

    // What is read often is in memory, and disks seek no longer: with 4.0 a filter of the exercise list reads 29,000
    // links to find 261 (docs/decisions/0009-exercise-lists.md).
    random_page_cost: 1.1,

    // A new 16 MB segment of the log need not be filled with zeros first, while every commit waits: P99 of 17,000 events
    // a second on a new database 27 ms instead of 60, at the same rate (docs/decisions/0011-ingest.md).
    wal_init_zero: 'off',

    // A statement whose client has gone is ended, also while it waits for a lock: else a table that is locked for a
    // minute takes a pool of connections more every five seconds, until there are no more (21 after 16 s for a pool of 5).
    client_connection_check_interval: '1s',

    // The log is for the person who runs this: no parameters and no statements, they may hold personal data.
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
    log_line_prefix: '%m [%p] ',
    log_checkpoints: 'off',
    log_timezone: 'UTC',
    timezone: 'UTC',

    // Durable: what was committed survives a power cut. Said here because it is a promise, not a default.
    ...(durable
      ? { fsync: 'on', full_page_writes: 'on', synchronous_commit: 'on' }
      : { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' }),
  };
  return [
    '-D',
    clusterDir,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
}

function listening({ host, port }: Listener): Record<string, string | number> {
  if (!host.startsWith('/')) return { listen_addresses: host, port, unix_socket_directories: '' };
  return {
    listen_addresses: '',
    port,
    // A list separated by commas: a folder whose name has one (or a space) must be quoted.
    unix_socket_directories: `"${host.replaceAll('"', '""')}"`,
    unix_socket_permissions: '0700',
  };
}
