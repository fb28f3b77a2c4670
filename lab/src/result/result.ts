/**
 * The one result file of the lab. Everything it shows (terminal, Markdown, page, CSV, JUnit, Prometheus) is rendered
 * from this, now or years later. Numbers carry their unit in the name: Us microseconds, Ms milliseconds, S seconds.
 */
import { type Static, Type } from '@sinclair/typebox';

/** Raised when a field changes its meaning or goes; new optional fields leave it as it is. */
export const resultVersion = 1;

/**
 * A log-linear histogram of microseconds. Bucket i holds the values from 2^(e-10) * (1 + f / 2^precisionBits) on, where
 * e and f are quotient and remainder of i by 2^precisionBits; bucket 0 also holds all that is less.
 */
export const EncodedHistogram = Type.Object({
  count: Type.Integer({ minimum: 0 }),
  minUs: Type.Number(),
  maxUs: Type.Number(),
  meanUs: Type.Number(),
  stddevUs: Type.Number(),
  /** Binary digits of each value's fraction that are kept: with 8 a bucket is at most 1/256 wide, 0.4 %. */
  precisionBits: Type.Integer({ minimum: 1, maximum: 12 }),
  /** [bucket index, count], rising. */
  buckets: Type.Array(Type.Tuple([Type.Integer({ minimum: 0 }), Type.Integer({ minimum: 1 })])),
});
export type EncodedHistogram = Static<typeof EncodedHistogram>;

/**
 * What the outside saw of the requests due in one second. In the latencies are right answers and, with at least their
 * age, requests that timed out or never finished.
 */
export const SecondOfRun = Type.Object({
  /** Seconds since the measured part began. */
  second: Type.Integer({ minimum: 0 }),
  due: Type.Integer(),
  ok: Type.Integer(),
  failed: Type.Integer(),
  p50Us: Type.Union([Type.Number(), Type.Null()]),
  p99Us: Type.Union([Type.Number(), Type.Null()]),
  maxUs: Type.Union([Type.Number(), Type.Null()]),
});
export type SecondOfRun = Static<typeof SecondOfRun>;

/** One reading of /proc, ten a second. Shares are of one core: 1.4 is one core and four tenths. */
export const LaneReading = Type.Object({
  atS: Type.Number(),
  /** Busy share of each core of the machine, 0 to 1. */
  cores: Type.Array(Type.Number()),
  /** Share of one core used by the server's processes, all threads. */
  serverCpu: Type.Number(),
  /** Milliseconds per second that the server's threads were runnable but waited for a core, summed. */
  runQueueMsPerS: Type.Number(),
  voluntarySwitchesPerS: Type.Number(),
  involuntarySwitchesPerS: Type.Number(),
  rssMb: Type.Number(),
  /** Share of time that something waited for a core (PSI "some"), 0 to 1; null where the kernel has none. */
  cpuPressure: Type.Union([Type.Number(), Type.Null()]),
  /** Share of time the hypervisor gave this machine's cores to others, 0 to 1 of all cores. */
  steal: Type.Number(),
});
export type LaneReading = Static<typeof LaneReading>;

/** A stretch in which the event loop of the server answered nobody. */
export const Stall = Type.Object({
  startS: Type.Number(),
  lengthMs: Type.Number(),
  /** Requests whose latency it touched; null when no load ran. */
  requestsHurt: Type.Union([Type.Integer(), Type.Null()]),
  /** Innermost frame first: "function (file:line)"; empty without a profile. */
  stack: Type.Array(Type.String()),
});
export type Stall = Static<typeof Stall>;

/** Failures by kind; each request is in exactly one of ok or a kind. */
export const failureKinds = [
  'connect', // no connection: refused, unreachable, TLS failed
  'reset', // the connection broke while an answer was awaited
  'truncated', // it ended inside an answer
  'timeout', // no complete answer within the time limit
  'unfinished', // still waiting when the run ended
  'protocol', // what came was not HTTP
  'status', // an answer, but not 2xx (or what the scenario expects)
  'body', // the right status, but the check of the scenario refused the body
  'too-large', // the body was larger than the lab is willing to read
  'script', // the scenario itself threw
] as const;
export type FailureKind = (typeof failureKinds)[number];

export const RunMeasurement = Type.Object({
  startedAt: Type.String(),
  durationS: Type.Number(),
  /** Requests that were due (open loop) or sent (closed loop) in the measured part. */
  due: Type.Integer(),
  ok: Type.Integer(),
  failures: Type.Record(Type.String(), Type.Integer()),
  statuses: Type.Record(Type.String(), Type.Integer()),
  /** Right answers a second; of a closed loop those that came before its time was over. */
  ratePerS: Type.Number(),
  /**
   * Share of the due requests that were answered, rightly or wrongly, by the end; 1 is all. What waited in a queue that
   * did not once clear in the last second is not delivered, even if it was answered in the grace after the end.
   */
  deliveredShare: Type.Number(),
  bytesIn: Type.Integer(),
  connectionsOpened: Type.Integer(),
  /** From when the request was due. What never finished is in with at least its age. */
  response: EncodedHistogram,
  /** From the write to the last byte. */
  service: EncodedHistogram,
  /** How late the generator itself was, from due to write, while a connection was free. */
  lag: EncodedHistogram,
  series: Type.Array(SecondOfRun),
  /** Scenario steps by name, when there is more than one. */
  steps: Type.Optional(
    Type.Record(
      Type.String(),
      Type.Object({ ok: Type.Integer(), failed: Type.Integer(), response: EncodedHistogram }),
    ),
  ),
  lanes: Type.Optional(Type.Array(LaneReading)),
  stalls: Type.Optional(Type.Array(Stall)),
  /** CPU of the server's processes per answered request. */
  cpuUsPerRequest: Type.Optional(Type.Number()),
  /** CPU of the generator, share of one core. */
  generatorCpu: Type.Number(),
  /** For people: the first failures of each kind in words, and what was odd. */
  notes: Type.Optional(Type.Array(Type.String())),
});
export type RunMeasurement = Static<typeof RunMeasurement>;

export const Machine = Type.Object({
  /** `<platform>-<arch>-node-<major>`, the folder of the baselines. */
  platform: Type.String(),
  os: Type.String(),
  kernel: Type.String(),
  cpu: Type.String(),
  cores: Type.Integer(),
  memoryMb: Type.Integer(),
  node: Type.String(),
  /** Of what makes two machines comparable: cpu, cores, memory, os, arch. */
  fingerprint: Type.String(),
});
export type Machine = Static<typeof Machine>;

/** What the generator can do on this machine, from `doctor`; every report quotes it. */
export const Doctor = Type.Object({
  measuredAt: Type.String(),
  ceilingPerS: Type.Number(),
  floorP50Us: Type.Number(),
  floorP99Us: Type.Number(),
  timerOvershootP50Us: Type.Number(),
  timerOvershootP99Us: Type.Number(),
  /** Share of time this machine's cores were taken by others while it did nothing. */
  noise: Type.Number(),
  steal: Type.Number(),
  /** Coefficient of variation of a fixed piece of work, repeated. */
  workCv: Type.Number(),
});
export type Doctor = Static<typeof Doctor>;

export const Source = Type.Object({
  sha: Type.String(),
  dirty: Type.Boolean(),
  branch: Type.Optional(Type.String()),
});

const shared = {
  format: Type.Literal('irontrack-lab'),
  version: Type.Literal(resultVersion),
  labVersion: Type.String(),
  name: Type.String(),
  createdAt: Type.String(),
  /** The command line that makes this again. */
  command: Type.Array(Type.String()),
  source: Type.Union([Source, Type.Null()]),
  /** Digest of everything that was asked for: target, load, protocol. Two results with one digest are comparable. */
  configHash: Type.String(),
  machine: Machine,
  doctor: Type.Union([Doctor, Type.Null()]),
};

export const LoadShape = Type.Object({
  /** open: by the clock at `ratePerS`; closed: as fast as it goes, which says how much but not how long. */
  loop: Type.Union([Type.Literal('open'), Type.Literal('closed')]),
  ratePerS: Type.Union([Type.Number(), Type.Null()]),
  arrivals: Type.Union([Type.Literal('constant'), Type.Literal('poisson')]),
  connections: Type.Integer(),
  durationS: Type.Number(),
  warmupS: Type.Number(),
  pauseS: Type.Number(),
  timeoutS: Type.Number(),
  spin: Type.Boolean(),
  protocol: Type.Union([Type.Literal('http/1.1'), Type.Literal('http/2')]),
  /** Cores of server and generator; null when not pinned. */
  serverCores: Type.Union([Type.String(), Type.Null()]),
  generatorCores: Type.Union([Type.String(), Type.Null()]),
});
export type LoadShape = Static<typeof LoadShape>;

export const Target = Type.Object({
  /** Without user info and without the values of secret-looking query parameters. */
  url: Type.String(),
  method: Type.String(),
  socketPath: Type.Optional(Type.String()),
  scenario: Type.Optional(Type.String()),
  server: Type.Optional(Type.String()),
});
export type Target = Static<typeof Target>;

/** Why a figure may not be believed; empty is valid. */
export const Fault = Type.Object({
  /** rate, errors, unstable, lag, samples, noise, target, canary, idle. */
  kind: Type.String(),
  /** One sentence for people. */
  sentence: Type.String(),
  /** invalid: no figure may be quoted. doubt: quote it with this sentence beside it. */
  weight: Type.Union([Type.Literal('invalid'), Type.Literal('doubt')]),
});
export type Fault = Static<typeof Fault>;

export const CpuShare = Type.Object({
  /** Function name, package or "(garbage collector)", "native I/O". */
  name: Type.String(),
  where: Type.String(),
  /** Share of the server's CPU, 0 to 1. */
  self: Type.Number(),
  total: Type.Number(),
});
export type CpuShare = Static<typeof CpuShare>;

/** A node of the flame graph: CPU microseconds of itself and what it calls. */
export interface FlameNode {
  name: string;
  /** "package or folder/file:line", or "". */
  where: string;
  totalUs: number;
  selfUs: number;
  children: FlameNode[];
}

export const ProfileTable = Type.Object({
  /** CPU seconds by /proc while the profile ran; shares are scaled to it. */
  cpuS: Type.Number(),
  wallS: Type.Number(),
  functions: Type.Array(CpuShare),
  packages: Type.Array(CpuShare),
  /** Path of the flame graph page beside the result file, when one was written. */
  flamePage: Type.Optional(Type.String()),
});
export type ProfileTable = Static<typeof ProfileTable>;

export const RunResult = Type.Object({
  ...shared,
  kind: Type.Literal('run'),
  target: Target,
  load: LoadShape,
  runs: Type.Array(RunMeasurement),
  /** Index into runs: the run whose P99 (open) or rate (closed) is the median. */
  medianRun: Type.Integer(),
  /** Coefficients of variation across runs; null with fewer than two, P99 also when it may not be judged. */
  stability: Type.Object({
    meanCv: Type.Union([Type.Number(), Type.Null()]),
    p99Cv: Type.Union([Type.Number(), Type.Null()]),
    stable: Type.Boolean(),
  }),
  faults: Type.Array(Fault),
  profile: Type.Optional(ProfileTable),
  /** The same load while the profile was taken, with the stalls it showed; slower than a run, and none of them. */
  profilePass: Type.Optional(RunMeasurement),
});
export type RunResult = Static<typeof RunResult>;

/** One row of the microbenchmark table; times of one call. */
export const MicroRow = Type.Object({
  name: Type.String(),
  minUs: Type.Number(),
  maxUs: Type.Number(),
  meanUs: Type.Number(),
  stddevUs: Type.Number(),
  medianUs: Type.Number(),
  iqrUs: Type.Number(),
  /** Rounds beyond one standard deviation; rounds beyond 1.5 interquartile ranges of the quartiles. */
  outliers: Type.Tuple([Type.Integer(), Type.Integer()]),
  opsPerS: Type.Number(),
  rounds: Type.Integer(),
  iterations: Type.Integer(),
});
export type MicroRow = Static<typeof MicroRow>;

/** A set of microbenchmarks or endpoint benchmarks; what `save` keeps and `check` compares. */
export const BenchResult = Type.Object({
  ...shared,
  kind: Type.Literal('bench'),
  rows: Type.Array(MicroRow),
});
export type BenchResult = Static<typeof BenchResult>;

export const verdicts = ['faster', 'slower', 'same', "can't tell"] as const;
export type Verdict = (typeof verdicts)[number];

/** Positive `change` is slower: +0.1 is 10 % more time (or CPU) a request. `confidence` is of all looks together. */
export const Change = Type.Object({
  /** cpu, mean, p50, p99, throughput. */
  measure: Type.String(),
  verdict: Type.Union(verdicts.map((verdict) => Type.Literal(verdict))),
  change: Type.Number(),
  /** Signed-rank interval around the typical (Hodges-Lehmann) log ratio, as relative changes; stats/verdict.ts. */
  low: Type.Number(),
  high: Type.Number(),
  confidence: Type.Number(),
  /** How many more pairs it would about take; only with "can't tell". */
  morePairs: Type.Optional(Type.Integer()),
});
export type Change = Static<typeof Change>;

export const ComparePair = Type.Object({
  /** AB or BA: who went first. */
  order: Type.Union([Type.Literal('AB'), Type.Literal('BA')]),
  a: RunMeasurement,
  b: RunMeasurement,
});

export const CompareResult = Type.Object({
  ...shared,
  kind: Type.Literal('compare'),
  sides: Type.Tuple([Type.String(), Type.String()]),
  target: Target,
  load: LoadShape,
  pairs: Type.Array(ComparePair),
  /** The first is the one the verdict is about; empty when a side was never answered rightly. */
  changes: Type.Array(Change),
  /** The same decision on a side against itself; a change here means the machine cannot decide today. */
  canary: Type.Union([Change, Type.Null()]),
  faults: Type.Array(Fault),
});
export type CompareResult = Static<typeof CompareResult>;

export const KneeResult = Type.Object({
  ...shared,
  kind: Type.Literal('knee'),
  target: Target,
  load: LoadShape,
  sloP99Ms: Type.Number(),
  /** In the order they were tried; a rate that did not meet it is tried once more. */
  points: Type.Array(
    Type.Object({
      ratePerS: Type.Number(),
      met: Type.Boolean(),
      run: RunMeasurement,
      faults: Type.Array(Fault),
    }),
  ),
  /** The highest rate that met it; null when none did. */
  kneePerS: Type.Union([Type.Number(), Type.Null()]),
  faults: Type.Array(Fault),
});
export type KneeResult = Static<typeof KneeResult>;

export const Result = Type.Union([RunResult, BenchResult, CompareResult, KneeResult]);
export type Result = Static<typeof Result>;
