/** A target made ready for load: its server started and pinned, the generator open, its lanes recorded. */
import type { LaneReading, RunMeasurement } from '../result/result.ts';
import { readCpuMs } from '../sample/cpu-time.ts';
import { startSampler } from '../sample/sampler.ts';
import { checkTargetAddress } from './address-guard.ts';
import type { GeneratorOptions, Phase, Progress } from './generator.ts';
import { openGenerator } from './open-generator.ts';
import { startServer } from './server-process.ts';

export interface BenchOptions {
  generator: GeneratorOptions;
  server?: {
    command: string;
    cwd: string;
    readyTimeoutS: number;
    environment: Readonly<Record<string, string | undefined>>;
  };
  /** A server that runs already, to be sampled; undefined when it is out of sight. */
  pid?: number;
  /** The target may be neither this machine nor a private network. */
  iOwnThisTarget: boolean;
  interrupted: AbortSignal;
}

export interface Bench {
  /** The server's processes, empty when they are out of sight. */
  pids(): number[];
  inspectorUrl(): string | undefined;
  /** One phase, with lanes and CPU per request when the server is in sight. */
  measure(phase: Phase, onProgress?: (progress: Progress) => void): Promise<RunMeasurement>;
  close(): Promise<void>;
}

/** @throws LabError when the server does not start or the generator cannot be opened; nothing is left running */
export async function openBench(options: BenchOptions): Promise<Bench> {
  const { interrupted, iOwnThisTarget, pid } = options;
  let generatorOptions = options.generator;
  const { serverCores, generatorCores } = generatorOptions.load;
  const { socketPath } = generatorOptions;
  const server =
    options.server === undefined
      ? undefined
      : await startServer({
          ...options.server,
          cores: serverCores,
          url: new URL(generatorOptions.url),
          interrupted,
          ...(socketPath === undefined ? {} : { socketPath }),
        });
  let endedHow: string | undefined;
  void server?.died.then(({ how }) => {
    endedHow = how;
  });
  const pids = () => server?.pids() ?? (pid === undefined ? [] : [pid]);
  try {
    if (socketPath === undefined) {
      // Resolved once, checked and kept: a name that changes its mind later leads nowhere else.
      const address = await checkTargetAddress(new URL(generatorOptions.url), { iOwnThisTarget });
      generatorOptions = { ...generatorOptions, address };
    }
    const generator = await openGenerator(generatorOptions, { cores: generatorCores, interrupted });
    return {
      pids,
      inspectorUrl: () => server?.inspectorUrl(),
      async measure(phase, onProgress) {
        if (pids().length === 0) return noteEnd(await generator.run(phase, onProgress), endedHow);
        const sampler = startSampler({ pids });
        const cpuBeforeMs = readCpuMs(pids());
        let lanes: LaneReading[] = [];
        let run: RunMeasurement;
        let cpuMs = 0;
        try {
          run = await generator.run(phase, onProgress);
          cpuMs = readCpuMs(pids()) - cpuBeforeMs;
        } finally {
          lanes = sampler.stop();
        }
        const answered = Object.values(run.statuses).reduce((sum, count) => sum + count, 0);
        return {
          ...noteEnd(run, endedHow),
          lanes: alignLanes(lanes, performance.timeOrigin + sampler.startedAtMs, run),
          ...(answered > 0 && cpuMs > 0 ? { cpuUsPerRequest: (cpuMs * 1000) / answered } : {}),
        };
      },
      async close() {
        try {
          await generator.close();
        } finally {
          await server?.stop();
        }
      },
    };
  } catch (error) {
    await server?.stop();
    throw error;
  }
}

/** That the server is gone says more than the connections that were refused since. */
function noteEnd(run: RunMeasurement, endedHow: string | undefined): RunMeasurement {
  if (endedHow === undefined) return run;
  return { ...run, notes: [`server: it ended by itself (${endedHow}).`, ...(run.notes ?? [])] };
}

/** The sampler begins before the connections are opened; lanes and latencies are drawn on one axis, that of the load. */
function alignLanes(lanes: readonly LaneReading[], startedAtMs: number, run: RunMeasurement): LaneReading[] {
  const aheadS = (Date.parse(run.startedAt) - startedAtMs) / 1000;
  return lanes.map((lane) => ({ ...lane, atS: lane.atS - aheadS })).filter(({ atS }) => atS > 0);
}
