/** The summary in the Prometheus text format 0.0.4, for a textfile collector or a Pushgateway. */
import { decodeHistogram } from '../stats/histogram.ts';
import { countFailures, summariseRun } from './measures.ts';
import type { ReportDocument } from './report-document.ts';

interface Sample {
  labels: Readonly<Record<string, string>>;
  value: number;
  suffix?: string;
}

const quantiles = [0.5, 0.9, 0.99, 0.999];

/** Base units as the Prometheus naming rules want them: seconds, bytes, ratios. */
export function renderPrometheus(report: ReportDocument): string {
  const lines: string[] = [];
  const family = (name: string, kind: 'gauge' | 'summary', help: string, samples: readonly Sample[]) => {
    if (samples.length === 0) return;
    lines.push(`# HELP irontrack_lab_${name} ${escapeHelp(help)}`, `# TYPE irontrack_lab_${name} ${kind}`);
    for (const { labels, value, suffix = '' } of samples)
      lines.push(`irontrack_lab_${name}${suffix}${writeLabels(labels)} ${writeValue(value)}`);
  };
  const { result } = report;
  const name = report.title;
  const base = (side: string) => ({ name, ...(side === '' ? {} : { side }) });
  const sides = report.sides.map(({ label, run }) => ({
    labels: base(label),
    run,
    measures: summariseRun(run),
  }));
  const each = (read: (side: (typeof sides)[number]) => number | null): Sample[] =>
    sides.flatMap((side) => {
      const value = read(side);
      return value === null ? [] : [{ labels: side.labels, value }];
    });

  family('valid', 'gauge', '1 when nothing makes the result invalid.', [
    { labels: { name }, value: report.verdict.word === 'invalid' ? 0 : 1 },
  ]);
  family('created_timestamp_seconds', 'gauge', 'When the result was made.', [
    { labels: { name }, value: Date.parse(result.createdAt) / 1000 },
  ]);
  family(
    'requests_per_second',
    'gauge',
    'Right answers a second.',
    each((side) => side.measures.rate),
  );
  family(
    'delivered_ratio',
    'gauge',
    'Share of the due requests that were answered.',
    each((side) => side.run.deliveredShare),
  );
  family(
    'failed_requests',
    'gauge',
    'Requests not answered rightly.',
    each((side) => countFailures(side.run)),
  );
  family(
    'response_seconds',
    'summary',
    'Latency from when a request was due.',
    sides.flatMap(({ labels, run }) => {
      const histogram = decodeHistogram(run.response);
      if (histogram.count === 0) return [];
      return [
        ...quantiles.map((share) => ({
          labels: { ...labels, quantile: String(share) },
          value: histogram.percentileUs(share) / 1e6,
        })),
        { labels, suffix: '_sum', value: (run.response.meanUs * run.response.count) / 1e6 },
        { labels, suffix: '_count', value: run.response.count },
      ];
    }),
  );
  family(
    'response_max_seconds',
    'gauge',
    'Longest latency.',
    each((side) => scale(side.measures.max, 1e-6)),
  );
  family(
    'cpu_seconds_per_request',
    'gauge',
    "CPU of the server's processes.",
    each((side) => scale(side.measures.cpu, 1e-6)),
  );
  family(
    'resident_memory_bytes',
    'gauge',
    'Highest resident memory of the server.',
    each((side) => scale(side.measures.rss, 1024 * 1024)),
  );
  if (result.kind === 'bench')
    family(
      'benchmark_seconds',
      'gauge',
      'Mean time of one call.',
      result.rows.map((row) => ({ labels: { name, benchmark: row.name }, value: row.meanUs / 1e6 })),
    );
  if (result.kind === 'knee' && result.kneePerS !== null)
    family('knee_requests_per_second', 'gauge', 'Highest rate within the limit.', [
      { labels: { name }, value: result.kneePerS },
    ]);
  if (result.kind === 'compare') {
    const changes = (read: 'change' | 'low' | 'high') =>
      result.changes.map((change) => ({ labels: { name, measure: change.measure }, value: change[read] }));
    family('change_ratio', 'gauge', 'Relative change of B against A; positive is slower.', changes('change'));
    family('change_low_ratio', 'gauge', 'Lower end of its interval.', changes('low'));
    family('change_high_ratio', 'gauge', 'Upper end of its interval.', changes('high'));
  }
  return `${lines.join('\n')}\n`;
}

function scale(value: number | null, factor: number): number | null {
  return value === null ? null : value * factor;
}

function writeLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return `{${pairs.join(',')}}`;
}

/** Twelve significant digits are exact for what was measured and hide the noise of dividing by powers of ten. */
function writeValue(value: number): string {
  return Number.isFinite(value)
    ? String(Number(value.toPrecision(12)))
    : Number.isNaN(value)
      ? 'NaN'
      : value > 0
        ? '+Inf'
        : '-Inf';
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
