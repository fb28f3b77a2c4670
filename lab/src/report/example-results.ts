/** Results made up from a small queue model with a fixed seed: for the tests of the reports and for looking at them. */
import type {
  BenchResult,
  CompareResult,
  KneeResult,
  LaneReading,
  LoadShape,
  Machine,
  RunMeasurement,
  RunResult,
  Stall,
} from '../result/result.ts';
import { createHistogram } from '../stats/histogram.ts';

export interface ExampleLoad {
  seed?: number;
  ratePerS?: number;
  durationS?: number;
  /** CPU time of one request. */
  workUs?: number;
  /** The loop blocks this long, once in `stallEveryS`. */
  stallMs?: number;
  stallEveryS?: number;
  failedShare?: number;
}

const machine: Machine = {
  platform: 'linux-x64-node-26',
  os: 'Debian GNU/Linux 13',
  kernel: '6.12.48',
  cpu: 'AMD EPYC 7543 32-Core Processor',
  cores: 4,
  memoryMb: 16_000,
  node: '26.10.0',
  fingerprint: 'example-machine',
};

const load: LoadShape = {
  loop: 'open',
  ratePerS: 2000,
  arrivals: 'poisson',
  connections: 64,
  durationS: 30,
  warmupS: 5,
  pauseS: 2,
  timeoutS: 10,
  spin: true,
  protocol: 'http/1.1',
  serverCores: '0',
  generatorCores: '1',
};

const shared = {
  format: 'irontrack-lab',
  version: 1,
  labVersion: '0.1.0',
  createdAt: '2026-11-21T12:00:00.000Z',
  source: { sha: '7309a6e1c0ffee00aa55aa55deadbeefcafef00d', dirty: false, branch: 'main' },
  machine,
  doctor: {
    measuredAt: '2026-11-21T09:30:00.000Z',
    ceilingPerS: 131_400,
    floorP50Us: 36.8,
    floorP99Us: 91.2,
    timerOvershootP50Us: 82,
    timerOvershootP99Us: 640,
    noise: 0.004,
    steal: 0.001,
    workCv: 0.006,
  },
} as const;

const target = { url: 'http://127.0.0.1:8000/me', method: 'GET', server: 'node server.js' };

/** One measured run of a server with one core: Poisson arrivals, first in first out. */
export function makeExampleRun(options: ExampleLoad = {}): RunMeasurement {
  const {
    seed = 1,
    ratePerS = 2000,
    durationS = 30,
    workUs = 190,
    stallMs = 0,
    stallEveryS = 7,
    failedShare = 0,
  } = options;
  const random = seededRandom(seed);
  const response = createHistogram();
  const service = createHistogram();
  const lag = createHistogram();
  const seconds = Array.from({ length: durationS }, () => ({
    due: 0,
    ok: 0,
    failed: 0,
    latencies: createHistogram(),
  }));
  const stalls: Stall[] = [];
  if (stallMs > 0)
    for (
      let startS = stallEveryS * 0.6;
      startS < durationS - 1;
      startS += stallEveryS * (0.8 + 0.4 * random())
    )
      stalls.push({
        startS,
        lengthMs: stallMs * (0.7 + 0.6 * random()),
        requestsHurt: 0,
        stack: [
          'pbkdf2Sync (node:internal/crypto/pbkdf2:62)',
          'hashPassword (src/passwords.js:18)',
          'signin (src/routes.js:41)',
        ],
      });
  let clockS = 0;
  let freeS = 0;
  let ok = 0;
  let failed = 0;
  let nextStall = 0;
  while (true) {
    clockS += -Math.log(1 - random()) / ratePerS;
    if (clockS >= durationS) break;
    const second = seconds[Math.floor(clockS)];
    if (second === undefined) break;
    second.due++;
    let startS = Math.max(clockS, freeS);
    const stall = stalls[nextStall];
    if (stall !== undefined && startS >= stall.startS) {
      startS = Math.max(startS, stall.startS + stall.lengthMs / 1000);
      nextStall++;
    }
    const workS = (workUs * (0.75 + 0.35 * random() + (random() < 0.01 ? 6 * random() : 0))) / 1e6;
    freeS = startS + workS;
    const last = stalls[nextStall - 1];
    if (last !== undefined && clockS < last.startS + last.lengthMs / 1000 && clockS >= last.startS)
      last.requestsHurt = (last.requestsHurt ?? 0) + 1;
    const lagUs = 2 + 30 * random() ** 6;
    lag.record(lagUs);
    if (random() < failedShare) {
      failed++;
      second.failed++;
      continue;
    }
    ok++;
    second.ok++;
    const us = (freeS - clockS) * 1e6 + 35 + lagUs;
    response.record(us);
    service.record(Math.min(us, workS * 1e6 + 35 + 60 * random()));
    second.latencies.record(us);
  }
  const due = ok + failed;
  return {
    startedAt: shared.createdAt,
    durationS,
    due,
    ok,
    failures: failed > 0 ? { status: failed } : {},
    statuses: failed > 0 ? { 200: ok, 503: failed } : { 200: ok },
    ratePerS: ok / durationS,
    deliveredShare: 1,
    bytesIn: ok * 412,
    connectionsOpened: 64,
    response: response.encode(),
    service: service.encode(),
    lag: lag.encode(),
    series: seconds.map(({ latencies, ...counts }, second) => ({
      second,
      ...counts,
      p50Us: latencies.count === 0 ? null : latencies.percentileUs(0.5),
      p99Us: latencies.count === 0 ? null : latencies.percentileUs(0.99),
      maxUs: latencies.count === 0 ? null : latencies.maxUs,
    })),
    lanes: makeLanes({ durationS, busy: Math.min(1, (ratePerS * workUs) / 1e6), stalls, random }),
    stalls,
    cpuUsPerRequest: workUs * 0.95,
    generatorCpu: 0.98,
  };
}

/** A `run` of some runs that differ by a per cent or two. */
export function makeExampleResult(
  options: ExampleLoad & { runs?: number } = {},
  over: Partial<RunResult> = {},
): RunResult {
  const { runs = 5, seed = 1, workUs = 190 } = options;
  const random = seededRandom(seed * 977);
  return {
    ...shared,
    kind: 'run',
    name: 'me',
    command: [
      'irontrack-lab',
      'run',
      'http://127.0.0.1:8000/me',
      '--rate',
      '2000',
      '--duration',
      '30s',
      '--runs',
      '5',
    ],
    configHash: 'me-2000',
    target,
    load,
    runs: Array.from({ length: runs }, (_, index) =>
      makeExampleRun({ ...options, seed: seed * 100 + index, workUs: workUs * (0.99 + 0.02 * random()) }),
    ),
    medianRun: Math.min(2, runs - 1),
    stability:
      runs > 1 ? { meanCv: 0.011, p99Cv: 0.027, stable: true } : { meanCv: null, p99Cv: null, stable: true },
    faults: [],
    profile: {
      cpuS: 9.6,
      wallS: 20,
      flamePage: 'me.flame.html',
      functions: [
        { name: 'native I/O', where: '', self: 0.31, total: 0.31 },
        { name: 'verify', where: 'jose/jws/flattened/verify.js:22', self: 0.18, total: 0.27 },
        { name: 'query', where: 'postgres/connection.js:164', self: 0.11, total: 0.2 },
        { name: '(garbage collector)', where: '', self: 0.064, total: 0.064 },
        { name: 'serialise', where: 'src/http/answer.js:51', self: 0.049, total: 0.08 },
      ],
      packages: [
        { name: 'native I/O', where: '', self: 0.31, total: 0.31 },
        { name: 'jose', where: 'node_modules/jose', self: 0.24, total: 0.31 },
        { name: 'postgres', where: 'node_modules/postgres', self: 0.19, total: 0.24 },
        { name: 'application', where: 'src', self: 0.17, total: 0.92 },
      ],
    },
    ...over,
  };
}

/** Pairs of two servers whose work differs; `factor` 0.7 makes B need 30 % less. */
export function makeExampleCompare(factor = 0.7, over: Partial<CompareResult> = {}): CompareResult {
  const change = factor - 1;
  const spread = (share: number) => ({ low: change - share, high: change + share, confidence: 0.99 });
  return {
    ...shared,
    kind: 'compare',
    name: 'signin',
    command: ['irontrack-lab', 'compare', 'git:main', 'git:argon', '--rate', '2000', '--', 'node server.js'],
    configHash: 'signin-compare',
    sides: ['main', 'argon'],
    target: { ...target, url: 'http://127.0.0.1:8000/signin', method: 'POST' },
    load: { ...load, durationS: 3 },
    pairs: Array.from({ length: 10 }, (_, index) => ({
      order: index % 2 === 0 ? ('AB' as const) : ('BA' as const),
      a: makeExampleRun({ seed: index * 2 + 1, durationS: 3 }),
      b: makeExampleRun({ seed: index * 2 + 2, durationS: 3, workUs: 190 * factor * (0.98 + 0.004 * index) }),
    })),
    changes: [
      { measure: 'mean', verdict: 'faster', change, ...spread(0.03) },
      {
        measure: 'cpu',
        verdict: 'faster',
        change: change * 0.95,
        low: change * 0.98,
        high: change * 0.9,
        confidence: 0.99,
      },
      {
        measure: 'p99',
        verdict: 'faster',
        change: change * 1.3,
        low: change * 1.6,
        high: change,
        confidence: 0.99,
      },
    ],
    canary: { measure: 'mean', verdict: 'same', change: 0.002, low: -0.012, high: 0.014, confidence: 0.99 },
    faults: [],
    ...over,
  };
}

export function makeExampleKnee(over: Partial<KneeResult> = {}): KneeResult {
  const rates = [500, 1000, 2000, 3000, 4000, 4500, 5300, 5500];
  return {
    ...shared,
    kind: 'knee',
    name: 'me knee',
    command: ['irontrack-lab', 'knee', 'http://127.0.0.1:8000/me', '--slo', '5ms'],
    configHash: 'me-knee',
    target,
    load: { ...load, ratePerS: null, durationS: 5 },
    sloP99Ms: 5,
    points: rates.map((ratePerS, index) => {
      const run = makeExampleRun({ seed: index + 1, ratePerS, durationS: 5 });
      return { ratePerS, run, met: ratePerS <= 4500, faults: [] };
    }),
    kneePerS: 4500,
    faults: [],
    ...over,
  };
}

export function makeExampleBench(factor = 1, over: Partial<BenchResult> = {}): BenchResult {
  const outliers: [number, number] = [4, 11];
  const rows = [
    ['password hash', 61_400],
    ['token verify', 61.2],
    ['token create', 48.9],
    ['serialise 50 exercises', 22.4],
  ] as const;
  return {
    ...shared,
    kind: 'bench',
    name: 'service',
    command: ['irontrack-lab', 'micro', 'bench/service.ts'],
    configHash: 'service-bench',
    rows: rows.map(([name, us]) => ({
      name,
      minUs: us * factor * 0.93,
      maxUs: us * factor * 1.8,
      meanUs: us * factor,
      stddevUs: us * factor * 0.06,
      medianUs: us * factor * 0.98,
      iqrUs: us * factor * 0.04,
      outliers,
      opsPerS: 1e6 / (us * factor),
      rounds: 120,
      iterations: Math.max(1, Math.round(1000 / us)),
    })),
    ...over,
  };
}

function makeLanes(input: {
  durationS: number;
  busy: number;
  stalls: readonly Stall[];
  random: () => number;
}): LaneReading[] {
  const { durationS, busy, stalls, random } = input;
  return Array.from({ length: durationS * 10 }, (_, index) => {
    const atS = index / 10;
    const isStalled = stalls.some(
      (stall) => atS >= stall.startS - 0.05 && atS < stall.startS + stall.lengthMs / 1000,
    );
    const serverCpu = isStalled ? 0.99 : Math.min(0.99, busy * (0.92 + 0.16 * random()));
    return {
      atS,
      cores: [serverCpu, 0.99, 0.02 + 0.03 * random(), 0.02 * random()],
      serverCpu,
      runQueueMsPerS: (isStalled ? 18 : 4) * (0.5 + random()),
      voluntarySwitchesPerS: 900 + 200 * random(),
      involuntarySwitchesPerS: 4 + 6 * random(),
      rssMb: 96 + atS * 0.2 + 2 * random(),
      cpuPressure: 0.01 * random(),
      steal: 0.001,
    };
  });
}

/** A linear congruential generator (Numerical Recipes): even enough for examples, and the same everywhere. */
function seededRandom(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
