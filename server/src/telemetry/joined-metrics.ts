/**
 * One page of metrics for several processes. What is counted is summed, also over processes that have ended: Prometheus
 * takes a sum that falls for a new start and counts all of it again. What is measured is summed or the highest taken, as
 * each metric says by its `aggregator`.
 */
import { AggregatorRegistry, Counter, Registry } from 'prom-client';

/** What `Registry.getMetricsAsJSON` gives, perhaps after a journey as JSON. */
export type MetricsPart = readonly object[];

export const restartsMetric = {
  name: 'worker_restarts_total',
  help: 'Workers that were started again after they had ended by themselves.',
} as const;

interface OwnMetrics {
  report(): Promise<MetricsPart>;
  page: { readonly contentType: string };
}

/**
 * The page for `/metrics`. There is none when the others cannot be asked: of a page without them every sum would have
 * fallen, and a scrape that fails is a gap.
 *
 * @param collectOthers given what this process has
 */
export function joinPages(
  own: OwnMetrics,
  collectOthers: (own: MetricsPart) => Promise<readonly MetricsPart[]>,
) {
  return {
    contentType: own.page.contentType,
    async metrics(): Promise<string> {
      const part = await own.report();
      return await aggregate([part, ...(await collectOthers(part))]).metrics();
    },
  };
}

/**
 * Whoever asks while the page is being written gets that one. It takes milliseconds, of every worker, and is never refused:
 * written for each who asks, a few hundred a second would leave no time for anything else.
 */
export function shareWriting(page: { readonly contentType: string; metrics(): Promise<string> }) {
  let writing: Promise<string> | undefined;
  return {
    contentType: page.contentType,
    metrics(): Promise<string> {
      writing ??= page.metrics().finally(() => {
        writing = undefined;
      });
      return writing;
    },
  };
}

/** Sums what was counted; what was only measured is left out. */
export async function addUpCounted(parts: readonly MetricsPart[]): Promise<MetricsPart> {
  return await aggregate(parts.map((part) => part.filter(isCounted))).getMetricsAsJSON();
}

/** The supervisor's own metrics. */
export async function describeRestarts(restarts: number): Promise<MetricsPart> {
  const registry = new Registry();
  new Counter({ ...restartsMetric, registers: [registry] }).inc(restarts);
  return await registry.getMetricsAsJSON();
}

function aggregate(parts: readonly MetricsPart[]): Registry {
  return AggregatorRegistry.aggregate([...parts]);
}

function isCounted(metric: object): boolean {
  return 'type' in metric && (metric.type === 'counter' || metric.type === 'histogram');
}
