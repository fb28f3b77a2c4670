import { Histogram, type Registry } from 'prom-client';

/** Where the requests of one method, route and status are counted; looked up once, then kept by the caller. */
export interface RequestSeries {
  /** Counts one request. */
  observe(durationMs: number): void;
}

/** Upper bounds in seconds: /me is answered in a tenth of a millisecond, a sign-in hashes for fifty. */
const durationBuckets = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;
const boundsMs = Float64Array.from(durationBuckets, (seconds) => seconds * 1000);

const metricName = 'http_request_duration_seconds';
const described = {
  name: metricName,
  help: 'Time from reading a request to handing its answer to the socket, by method, route and status.',
};

interface Labels {
  method: string;
  route: string;
  status: string;
}
type Counted = Labels & { series: Series };

/**
 * `http_request_duration_seconds` by method, route and status. A prom-client histogram finds its series by hashing
 * the labels at every observation, which took a fifth of /ping; this one hands the series out and is read through
 * the same `get()`.
 */
export class RequestHistogram extends Histogram<keyof Labels> {
  readonly #counted = new Map<string, Counted>();
  /** Says name, help and type in prom-client's own words; never observes anything. */
  readonly #empty = new Histogram<keyof Labels>({ ...described, registers: [] });

  constructor(registry: Registry) {
    super({
      ...described,
      labelNames: ['method', 'route', 'status'],
      buckets: [...durationBuckets],
      registers: [registry],
    });
  }

  /** Returns the series of one method, route pattern and status (499: the client left first). */
  series(method: string, route: string, status: number): RequestSeries {
    const key = `${method} ${status} ${route}`;
    let counted = this.#counted.get(key);
    if (counted === undefined) {
      counted = { method, route, status: String(status), series: new Series() };
      this.#counted.set(key, counted);
    }
    return counted.series;
  }

  override async get(): ReturnType<Histogram<keyof Labels>['get']> {
    const values = [...this.#counted.values()].flatMap(toValues);
    return { ...(await this.#empty.get()), values };
  }

  /** What the registry prints from; a prom-client histogram has a second, shorter shape for it, this one has not. */
  getForPromString(): ReturnType<Histogram<keyof Labels>['get']> {
    return this.get();
  }

  override reset(): void {
    super.reset();
    // The constructor of prom-client calls this before our own fields exist.
    if (!(#counted in this)) return;
    for (const { series } of this.#counted.values()) series.clear();
  }
}

class Series implements RequestSeries {
  /** Requests per bucket, not cumulated; the last holds what is slower than every bound. */
  readonly counts = new Float64Array(boundsMs.length + 1);
  sumMs = 0;

  observe(durationMs: number): void {
    let at = 0;
    while (at < boundsMs.length && durationMs > (boundsMs[at] ?? 0)) at++;
    this.counts[at] = (this.counts[at] ?? 0) + 1;
    this.sumMs += durationMs;
  }

  clear(): void {
    this.counts.fill(0);
    this.sumMs = 0;
  }
}

function toValues({ series, method, route, status }: Counted) {
  const labels = { method, route, status };
  let count = 0;
  const buckets = durationBuckets.map((le, at) => {
    count += series.counts[at] ?? 0;
    return { labels: { le, ...labels }, value: count, metricName: `${metricName}_bucket` };
  });
  count += series.counts[durationBuckets.length] ?? 0;
  return [
    ...buckets,
    { labels: { le: '+Inf', ...labels }, value: count, metricName: `${metricName}_bucket` },
    { labels, value: series.sumMs / 1000, metricName: `${metricName}_sum` },
    { labels, value: count, metricName: `${metricName}_count` },
  ];
}
