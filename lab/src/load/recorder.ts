/** Counts and times what becomes of each request of a phase; all times are microseconds since the phase began. */
import { type FailureKind, failureKinds, type RunMeasurement, type SecondOfRun } from '../result/result.ts';
import { createHistogram, type Histogram } from '../stats/histogram.ts';
import type { Progress } from './generator.ts';

/** 1.6 %: a second's percentiles are drawn, not judged. */
const precisionOfSeconds = 6;
const mostNotes = 20;
/** A check may complain with all of the body that it saw. */
const longestNote = 500;

interface StepRecord {
  ok: number;
  failed: number;
  response: Histogram;
}

export type Recorded = Omit<
  RunMeasurement,
  'startedAt' | 'durationS' | 'ratePerS' | 'deliveredShare' | 'generatorCpu'
>;

/** Holds the buffers of one phase; a request costs it four histogram entries and no object. */
export class Recorder {
  due = 0;
  ok = 0;
  bytesIn = 0;
  connectionsOpened = 0;

  readonly #response = createHistogram();
  readonly #service = createHistogram();
  readonly #lag = createHistogram();
  readonly #statuses = new Float64Array(1000);
  readonly #failures = new Map<FailureKind, number>();
  readonly #steps: ReadonlyMap<string, StepRecord>;
  readonly #stepByNumber: readonly StepRecord[];
  readonly #notes = new Set<string>();
  readonly #seconds: number;
  readonly #dueBySecond: Float64Array;
  readonly #okBySecond: Float64Array;
  readonly #failedBySecond: Float64Array;
  readonly #open: (Histogram | undefined)[];
  readonly #closed: (SecondOfRun | undefined)[];
  readonly #spare: Histogram[] = [];
  #firstOpenSecond = 0;

  constructor(durationS: number, stepNames: readonly string[]) {
    this.#seconds = Math.max(1, Math.ceil(durationS));
    this.#dueBySecond = new Float64Array(this.#seconds);
    this.#okBySecond = new Float64Array(this.#seconds);
    this.#failedBySecond = new Float64Array(this.#seconds);
    this.#open = Array.from({ length: this.#seconds }, () => undefined);
    this.#closed = Array.from({ length: this.#seconds }, () => undefined);
    const names = stepNames.length > 1 ? stepNames : [];
    this.#stepByNumber = names.map(() => ({ ok: 0, failed: 0, response: createHistogram() }));
    this.#steps = new Map(names.map((name, index) => [name, this.#stepByNumber[index] ?? never()]));
  }

  recordDue(dueUs: number): void {
    this.due++;
    const second = this.#secondOf(dueUs);
    this.#dueBySecond[second] = (this.#dueBySecond[second] ?? 0) + 1;
  }

  recordLag(lagUs: number): void {
    this.#lag.record(lagUs);
  }

  recordStatus(status: number): void {
    this.#statuses[status] = (this.#statuses[status] ?? 0) + 1;
  }

  recordOk(step: number, dueUs: number, sentUs: number, answeredUs: number): void {
    const responseUs = answeredUs - dueUs;
    this.ok++;
    this.#response.record(responseUs);
    this.#service.record(answeredUs - sentUs);
    const second = this.#secondOf(dueUs);
    this.#okBySecond[second] = (this.#okBySecond[second] ?? 0) + 1;
    (this.#open[second] ?? this.#openSecond(second)).record(responseUs);
    const ofStep = this.#stepByNumber[step];
    if (ofStep === undefined) return;
    ofStep.ok++;
    ofStep.response.record(responseUs);
  }

  /** @param ageUs how long it has waited at least, for what never came; undefined keeps it out of the times */
  recordFailure(kind: FailureKind, step: number, dueUs: number, ageUs?: number): void {
    this.#failures.set(kind, (this.#failures.get(kind) ?? 0) + 1);
    const second = this.#secondOf(dueUs);
    this.#failedBySecond[second] = (this.#failedBySecond[second] ?? 0) + 1;
    const ofStep = this.#stepByNumber[step];
    if (ofStep !== undefined) ofStep.failed++;
    if (ageUs === undefined) return;
    this.#response.record(ageUs);
    (this.#open[second] ?? this.#openSecond(second)).record(ageUs);
    ofStep?.response.record(ageUs);
  }

  /** Keeps the first few different ones. */
  note(sentence: string): void {
    if (this.#notes.size < mostNotes) this.#notes.add(sentence.slice(0, longestNote));
  }

  /** What is known of a second by now. */
  readProgress(second: number): Progress {
    const { due, ok, failed, p50Us, p99Us } = this.#readSecond(second);
    return { second, due, ok, failed, p50Us, p99Us };
  }

  /** Gives back the histograms of seconds whose requests have all come to an end, so that few exist at a time. */
  closeSeconds(nowUs: number): void {
    for (let second = this.#firstOpenSecond; second < this.#seconds; second++) {
      if ((second + 1) * 1e6 > nowUs) return;
      const ended = (this.#okBySecond[second] ?? 0) + (this.#failedBySecond[second] ?? 0);
      if (ended === this.#dueBySecond[second]) this.#closeSecond(second);
      if (second === this.#firstOpenSecond && this.#closed[second] !== undefined) this.#firstOpenSecond++;
    }
  }

  finish(): Recorded {
    return {
      due: this.due,
      ok: this.ok,
      failures: Object.fromEntries(
        failureKinds
          .filter((kind) => this.#failures.has(kind))
          .map((kind) => [kind, this.#failures.get(kind) ?? 0]),
      ),
      statuses: Object.fromEntries(
        [...this.#statuses.entries()]
          .filter(([, count]) => count > 0)
          .map(([status, count]) => [String(status), count]),
      ),
      bytesIn: this.bytesIn,
      connectionsOpened: this.connectionsOpened,
      response: this.#response.encode(),
      service: this.#service.encode(),
      lag: this.#lag.encode(),
      series: Array.from({ length: this.#seconds }, (_, second) => this.#readSecond(second)),
      ...(this.#steps.size > 0 ? { steps: this.#encodeSteps() } : {}),
      ...(this.#notes.size > 0 ? { notes: [...this.#notes] } : {}),
    };
  }

  #encodeSteps() {
    return Object.fromEntries(
      [...this.#steps].map(([name, { ok, failed, response }]) => [
        name,
        { ok, failed, response: response.encode() },
      ]),
    );
  }

  #secondOf(dueUs: number): number {
    const second = Math.floor(dueUs / 1e6);
    return second >= this.#seconds ? this.#seconds - 1 : second;
  }

  #openSecond(second: number): Histogram {
    const histogram = this.#spare.pop() ?? createHistogram(precisionOfSeconds);
    this.#open[second] = histogram;
    return histogram;
  }

  #closeSecond(second: number): void {
    if (this.#closed[second] !== undefined) return;
    this.#closed[second] = this.#readSecond(second);
    const histogram = this.#open[second];
    this.#open[second] = undefined;
    if (histogram === undefined) return;
    histogram.reset();
    this.#spare.push(histogram);
  }

  #readSecond(second: number): SecondOfRun {
    const closed = this.#closed[second];
    if (closed !== undefined) return closed;
    const histogram = this.#open[second];
    const isEmpty = histogram === undefined || histogram.count === 0;
    return {
      second,
      due: this.#dueBySecond[second] ?? 0,
      ok: this.#okBySecond[second] ?? 0,
      failed: this.#failedBySecond[second] ?? 0,
      p50Us: isEmpty ? null : histogram.percentileUs(0.5),
      p99Us: isEmpty ? null : histogram.percentileUs(0.99),
      maxUs: isEmpty ? null : histogram.maxUs,
    };
  }
}

function never(): StepRecord {
  throw new RangeError('A step without a record.');
}
