import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

interface Backlog {
  waiting: number;
  oldestMs: number;
  oldestXminAge: number;
}

/** What is read at every scrape. */
export interface DeliverySource {
  readonly underWay: number;
  readBacklog(): Promise<Backlog>;
}

export interface DeliveryMetrics {
  /** One attempt was made and written down. */
  attempted(outcome: string, durationMs: number): void;
  observe(source: DeliverySource): void;
}

/** The page does not wait longer than this for a database that may be away. */
const longestReadMs = 500;

export function openDeliveryMetrics(registry: Registry): DeliveryMetrics {
  const registers = [registry];
  const attempts = new Counter({
    name: 'webhook_attempts_total',
    help: 'Attempts to deliver, by outcome: delivered, retry, failed, gone (410), superseded (its lease was lost).',
    labelNames: ['outcome'],
    registers,
  });
  const durations = new Histogram({
    name: 'webhook_attempt_duration_seconds',
    help: 'Time until a receiver answered or was given up on.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15],
    registers,
  });
  return {
    attempted(outcome, durationMs) {
      attempts.inc({ outcome });
      durations.observe(durationMs / 1000);
    },
    observe: (source) => addGauges(registry, source),
  };
}

function addGauges(registry: Registry, source: DeliverySource): void {
  const registers = [registry];
  new Gauge({
    name: 'webhook_attempts_under_way',
    help: 'Attempts that this process is making.',
    registers,
    collect() {
      this.set(source.underWay);
    },
  });
  let reading: Promise<Backlog | undefined> | undefined;
  /** One read for all gauges of a page. Without an answer they stay as they were, and the page has the rest. */
  async function read(): Promise<Backlog | undefined> {
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => resolve(undefined), longestReadMs);
    const backlog = await Promise.race([source.readBacklog().catch(() => undefined), late]);
    clearTimeout(timer);
    reading = undefined;
    return backlog;
  }
  const gauge = (name: string, help: string, pick: (backlog: Backlog) => number) =>
    new Gauge({
      name,
      help,
      // Of the database: each process reads the same.
      aggregator: 'max',
      registers,
      async collect() {
        reading ??= read();
        const backlog = await reading;
        if (backlog !== undefined) this.set(pick(backlog));
      },
    });
  gauge(
    'webhook_deliveries_waiting',
    'Deliveries of all nodes that are still to be made.',
    ({ waiting }) => waiting,
  );
  gauge(
    'webhook_oldest_undelivered_seconds',
    'Age of the oldest event that is still to be delivered.',
    ({ oldestMs }) => oldestMs / 1000,
  );
  gauge(
    'database_oldest_xmin_age',
    'Transactions since the oldest snapshot in use: what vacuum cannot clean yet.',
    ({ oldestXminAge }) => oldestXminAge,
  );
}
