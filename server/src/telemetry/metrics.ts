/** What Prometheus is told: counted where it happens, read where it already is when somebody asks. */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { type DeliverySource, openDeliveryMetrics } from './delivery-metrics.ts';
import { type MetricsPart, restartsMetric } from './joined-metrics.ts';
import { RequestHistogram } from './request-histogram.ts';

/** Parts of the service whose state is read at every scrape. */
interface MetricSources {
  database: { load(): { busy: number; waiting: number } };
  /** Steps of overload. */
  admission: { readonly level: number };
  hashQueue: { readonly running: number; readonly waiting: number };
  /** Events taken in and not yet stored. */
  ingest: { readonly depth: number };
  deliveries: DeliverySource;
  /** Undefined where none is configured. */
  replica: { readonly isUsed: boolean } | undefined;
  /** Undefined where none is configured. */
  valkey:
    | { readonly isUp: boolean; readonly losses: number; readonly counted: Readonly<Record<string, number>> }
    | undefined;
  caches: readonly {
    readonly name: string;
    readonly counts: { readonly hits: number; readonly misses: number };
    readonly size: number;
    readonly bytes?: number;
  }[];
}

export interface Metrics {
  requests: RequestHistogram;
  /** A password job got its slot after so many milliseconds. */
  hashWaited(waitMs: number): void;
  /** A caller that had to wait for a database connection got it after so many milliseconds. */
  connectionWaited(waitMs: number): void;
  /** A statement of a list was answered, where there is a replica. */
  listRead(from: 'replica' | 'primary'): void;
  /** A request was refused because there is too much to do. */
  admissionRefused(reason: string, cost: string): void;
  /** A client's connection was closed as it was opened, since there are enough. */
  connectionDropped(): void;
  /** A limit refused an attempt. */
  limiterRefused(call: string, scope: string): void;
  /** A spent refresh token was used again, and its session ended for it. */
  refreshReused(): void;
  /** A statement stored events. */
  eventsFlushed(flush: { rows: number; stored: number; duplicates: number; durationMs: number }): void;
  /** An attempt to deliver was made and written down. */
  deliveryAttempted(outcome: string, durationMs: number): void;
  /** Names the parts to read from now on; before that their figures are absent. */
  observe(sources: MetricSources): void;
  /** All figures, to be joined with those of other processes. */
  report(): Promise<MetricsPart>;
  /** As `observe`, of a process that only delivers. */
  observeDeliveries(source: DeliverySource): void;
  /** The text for `/metrics` and its content type. */
  page: { readonly contentType: string; metrics(): Promise<string> };
  close(): void;
}

const delayResolutionMs = 10;

/**
 * Opens the metrics of the process; the event-loop monitor runs until `close`.
 *
 * @param log the writer of the log, whose dropped lines are counted
 */
export function openMetrics(log: { readonly dropped: number }): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

  const hashWait = new Histogram({
    name: 'password_hash_wait_seconds',
    help: 'Time a password waited for its slot.',
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const connectionWait = new Histogram({
    name: 'database_wait_seconds',
    help: 'Time a caller waited for a database connection, of those that had to.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  });
  const listReads = new Counter({
    name: 'list_reads_total',
    help: 'Statements of lists where DATABASE_REPLICA_URL is set, by where they were answered: replica or primary.',
    labelNames: ['from'],
    registers,
  });
  const admissionRefusals = new Counter({
    name: 'admission_refusals_total',
    help: 'Requests refused because there was too much to do, by reason and by what they cost.',
    labelNames: ['reason', 'cost'],
    registers,
  });
  const droppedConnections = new Counter({
    name: 'http_connections_dropped_total',
    help: 'Connections closed as they were opened, since there were enough.',
    registers,
  });
  const refusals = new Counter({
    name: 'rate_limit_refusals_total',
    help: 'Attempts refused, by call and by the limit that refused them.',
    labelNames: ['call', 'scope'],
    registers,
  });
  const reuses = new Counter({
    name: 'refresh_token_reuses_total',
    help: 'Spent refresh tokens that were used again; each ended its session.',
    registers,
  });
  const readTotal = (name: string, help: string, read: () => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  const ingested = new Counter({
    name: 'events_ingested_total',
    help: 'Events that were settled, by outcome: stored or duplicate.',
    labelNames: ['outcome'],
    registers,
  });
  const flushRows = new Histogram({
    name: 'event_batch_rows',
    help: 'Events stored by one statement.',
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
    registers,
  });
  const flushTime = new Histogram({
    name: 'event_flush_seconds',
    help: 'Time of a statement that stores events, its commit included.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  readTotal('access_log_lines_dropped_total', 'Log lines lost to a slow reader.', () => log.dropped);

  new Gauge({
    name: 'serving_processes',
    help: 'Processes of this node that serve.',
    registers,
    collect() {
      this.set(1);
    },
  });
  // The supervisor counts them; a process that serves alone has none.
  new Counter({ ...restartsMetric, registers });
  const deliveries = openDeliveryMetrics(registry);
  const stopLoopGauges = openLoopGauges(registry);

  return {
    requests: new RequestHistogram(registry),
    hashWaited: (waitMs) => hashWait.observe(waitMs / 1000),
    connectionWaited: (waitMs) => connectionWait.observe(waitMs / 1000),
    listRead: (from) => listReads.inc({ from }),
    admissionRefused: (reason, cost) => admissionRefusals.inc({ reason, cost }),
    connectionDropped: () => droppedConnections.inc(),
    limiterRefused: (call, scope) => refusals.inc({ call, scope }),
    refreshReused: () => reuses.inc(),
    eventsFlushed({ rows, stored, duplicates, durationMs }) {
      ingested.inc({ outcome: 'stored' }, stored);
      if (duplicates > 0) ingested.inc({ outcome: 'duplicate' }, duplicates);
      flushRows.observe(rows);
      flushTime.observe(durationMs / 1000);
    },
    deliveryAttempted: deliveries.attempted,
    observe(sources) {
      addSourceGauges(registry, sources);
      deliveries.observe(sources.deliveries);
    },
    report: () => registry.getMetricsAsJSON(),
    observeDeliveries: deliveries.observe,
    page: registry,
    close: stopLoopGauges,
  };
}

function addSourceGauges(registry: Registry, sources: MetricSources): void {
  const { database, hashQueue, admission, ingest, caches, valkey, replica } = sources;
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge('password_hash_running', 'Passwords being hashed.', () => hashQueue.running);
  gauge('password_hash_waiting', 'Passwords waiting for a slot.', () => hashQueue.waiting);
  gauge(
    'admission_level',
    'Steps of overload: how many classes of requests are refused.',
    () => admission.level,
  );
  gauge('replica_used', '1 while lists are read from the replica; 0 also where none is configured.', () =>
    replica?.isUsed === true ? 1 : 0,
  );
  gauge('event_queue_depth', 'Events taken in and not yet stored.', () => ingest.depth);
  gauge('database_connections_busy', 'Connections with work under way.', () => database.load().busy);
  gauge('database_connections_waiting', 'Callers waiting for a connection.', () => database.load().waiting);
  new Gauge({
    name: 'valkey_up',
    help: '1 while Valkey answers; 0 also where none is configured. Of several workers, whether all reach it.',
    aggregator: 'min',
    registers,
    collect() {
      this.set(valkey?.isUp ? 1 : 0);
    },
  });
  new Counter({
    name: 'valkey_losses_total',
    help: 'How often a connection to Valkey was lost.',
    registers,
    collect() {
      this.reset();
      this.inc(valkey?.losses ?? 0);
    },
  });
  new Counter({
    name: 'rate_limit_counts_total',
    help: 'Counts for limits, by who made them: valkey, or this process for itself. Only where Valkey is configured.',
    labelNames: ['counted_by'],
    registers,
    collect() {
      this.reset();
      for (const [where, times] of Object.entries(valkey?.counted ?? {}))
        this.inc({ counted_by: where }, times);
    },
  });
  new Gauge({
    name: 'cache_entries',
    help: 'Entries held, by cache.',
    labelNames: ['cache'],
    registers,
    collect() {
      for (const { name, size } of caches) this.set({ cache: name }, size);
    },
  });
  new Gauge({
    name: 'cache_bytes',
    help: 'Bytes held, about, by cache; only of those that are bounded in bytes.',
    labelNames: ['cache'],
    registers,
    collect() {
      for (const { name, bytes } of caches) if (bytes !== undefined) this.set({ cache: name }, bytes);
    },
  });
  new Counter({
    name: 'cache_reads_total',
    help: 'Reads by cache and result, hit or miss.',
    labelNames: ['cache', 'result'],
    registers,
    collect() {
      this.reset();
      for (const { name, counts } of caches) {
        this.inc({ cache: name, result: 'hit' }, counts.hits);
        this.inc({ cache: name, result: 'miss' }, counts.misses);
      }
    },
  });
}

/** Starts watching the event loop; what it returns stops that. */
function openLoopGauges(registry: Registry): () => void {
  const delay = monitorEventLoopDelay({ resolution: delayResolutionMs });
  delay.enable();
  new Gauge({
    name: 'event_loop_delay_seconds',
    help: 'How late the event loop was since the last scrape: quantiles 0.5 and 0.99, and 1 for the worst.',
    labelNames: ['quantile'],
    aggregator: 'max',
    registers: [registry],
    collect() {
      // The monitor records the time between two of its ticks, so the tick itself has to come off. Without a sample
      // since the last scrape there is nothing to say but zero.
      const late = (ns: number) => (delay.count === 0 ? 0 : Math.max(0, ns / 1e9 - delayResolutionMs / 1e3));
      this.set({ quantile: '0.5' }, late(delay.percentile(50)));
      this.set({ quantile: '0.99' }, late(delay.percentile(99)));
      this.set({ quantile: '1' }, late(delay.max));
      delay.reset();
    },
  });
  let last = performance.eventLoopUtilization();
  new Gauge({
    name: 'event_loop_utilization_ratio',
    help: 'Share of the time since the last scrape that the event loop was busy.',
    aggregator: 'max',
    registers: [registry],
    collect() {
      const now = performance.eventLoopUtilization();
      this.set(performance.eventLoopUtilization(now, last).utilization);
      last = now;
    },
  });
  return () => delay.disable();
}
