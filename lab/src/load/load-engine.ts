/** Everything of the generator but the process around it: opens a workload and runs phases of it. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { exitStatus, LabError } from '../exit-status.ts';
import type { RunMeasurement } from '../result/result.ts';
import { loadScenario } from '../scenarios/load-scenario.ts';
import { createScenarioContext } from '../scenarios/scenario-context.ts';
import type { Connection, ConnectionOwner, ConnectionTarget } from './connection.ts';
import type { GeneratorOptions, Phase, Progress } from './generator.ts';
import { createUntimedClient } from './http-client.ts';
import { Http1Connection } from './http1-connection.ts';
import { Http2Connection } from './http2-connection.ts';
import { runPacer } from './pacer.ts';
import { Recorder } from './recorder.ts';
import { createRequestEncoder } from './request-encoder.ts';
import type { HeadCache } from './response-parser.ts';
import { createSingleWorkload, openScenarioWorkload, type Workload } from './workload.ts';

export interface LoadEngine {
  run(
    phase: Phase,
    onProgress: (progress: Progress) => void,
    interrupted: AbortSignal,
  ): Promise<RunMeasurement>;
  close(): Promise<void>;
}

const longestConnectMs = 5000;
const nowMs = () => performance.now();

/** @throws LabError when the host cannot be resolved, the request not be encoded or the scenario not be set up */
export async function openLoadEngine(options: GeneratorOptions): Promise<LoadEngine> {
  const { load } = options;
  const target = await resolveTarget(options);
  const { workload, tearDown } = await openWorkload(options, target);
  return {
    run: (phase, onProgress, interrupted) => runPhase(phase, onProgress, interrupted),
    close: tearDown,
  };

  async function runPhase(
    phase: Phase,
    onProgress: (progress: Progress) => void,
    interrupted: AbortSignal,
  ): Promise<RunMeasurement> {
    const recorder = new Recorder(phase.durationS, workload.stepNames);
    const cpuBefore = process.cpuUsage();
    const outcome = await runPacer({
      phase,
      arrivals: load.arrivals,
      seed: options.seed,
      timeoutS: load.timeoutS,
      spin: load.spin,
      workload,
      recorder,
      openConnections: (owner) => openConnections(owner, target, load.connections, load.protocol),
      onProgress,
      nowMs,
      interrupted,
    });
    const wallUs = (nowMs() - outcome.startedAtMs) * 1000;
    const cpu = process.cpuUsage(cpuBefore);
    const recorded = recorder.finish();
    return {
      startedAt: new Date(performance.timeOrigin + outcome.startedAtMs).toISOString(),
      durationS: phase.durationS,
      ...recorded,
      ratePerS: outcome.okInTime / phase.durationS,
      deliveredShare: recorded.due === 0 ? 0 : outcome.answeredInTime / recorded.due,
      generatorCpu: wallUs <= 0 ? 0 : (cpu.user + cpu.system) / wallUs,
    };
  }
}

function openConnections(
  owner: ConnectionOwner,
  target: ConnectionTarget,
  count: number,
  protocol: 'http/1.1' | 'http/2',
): Connection[] {
  const heads: HeadCache = { last: undefined };
  return Array.from({ length: count }, (_, index) =>
    protocol === 'http/1.1'
      ? new Http1Connection(index, owner, target, heads)
      : new Http2Connection(index, owner, target),
  );
}

async function resolveTarget(options: GeneratorOptions): Promise<ConnectionTarget> {
  const url = new URL(options.url);
  const shared = {
    url,
    insecure: options.insecure,
    connectTimeoutMs: Math.min(options.load.timeoutS * 1000, longestConnectMs),
    maxBodyBytes: options.maxBodyBytes,
  };
  if (options.socketPath !== undefined) return { ...shared, address: options.socketPath, isSocket: true };
  if (options.address !== undefined) return { ...shared, address: options.address, isSocket: false };
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0) return { ...shared, address: host, isSocket: false };
  try {
    const { address } = await lookup(host);
    return { ...shared, address, isSocket: false };
  } catch (error) {
    throw new LabError(exitStatus.tool, `The host ${host} cannot be resolved; check its spelling.`, {
      cause: error,
    });
  }
}

async function openWorkload(
  options: GeneratorOptions,
  target: ConnectionTarget,
): Promise<{ workload: Workload; tearDown: () => Promise<void> }> {
  const { load, seed, request } = options;
  const { url, insecure } = target;
  const encode = createRequestEncoder(url, load.protocol);
  if (options.scenarioPath !== undefined) {
    const scenarioPath = resolve(options.scenarioPath);
    const scenario = await loadScenario(scenarioPath);
    const newClient = () =>
      createUntimedClient({
        url,
        insecure,
        ...(target.isSocket ? { socketPath: target.address } : { address: target.address }),
      });
    const context = createScenarioContext({ url, scenarioPath, seed, newClient });
    const workload = await openScenarioWorkload(scenario, context, encode, {
      connections: load.connections,
      seed,
      nowMs,
    });
    return { workload, tearDown: () => workload.tearDown() };
  }
  if (request === undefined) {
    throw new LabError(exitStatus.tool, 'There is nothing to send: give a URL or a scenario file.');
  }
  try {
    return { workload: createSingleWorkload(request, encode), tearDown: () => Promise.resolve() };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LabError(exitStatus.tool, `The request cannot be sent: ${reason}.`, { cause: error });
  }
}
