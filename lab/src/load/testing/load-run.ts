/** Runs the real generator, in its own process, against a server of the test. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { LoadShape, RunMeasurement } from '../../result/result.ts';
import type { Generator, GeneratorOptions, Phase } from '../generator.ts';
import { openGenerator } from '../open-generator.ts';

export const calmLoad: LoadShape = {
  loop: 'open',
  ratePerS: 200,
  arrivals: 'constant',
  connections: 4,
  durationS: 1,
  warmupS: 0,
  pauseS: 0,
  timeoutS: 0.4,
  spin: false,
  protocol: 'http/1.1',
  serverCores: null,
  generatorCores: null,
};

export type LoadRunOptions = Partial<Omit<GeneratorOptions, 'load'>> & { load?: Partial<LoadShape> };

/** Ends with the test, however that ends. */
export async function openTestGenerator(t: TestContext, options: LoadRunOptions): Promise<Generator> {
  const { load, ...rest } = options;
  const generator = await openGenerator(
    {
      url: 'http://127.0.0.1/',
      insecure: false,
      ...(rest.scenarioPath === undefined ? { request: { method: 'GET', headers: {}, body: '' } } : {}),
      seed: 1,
      maxBodyBytes: 1_000_000,
      ...rest,
      load: { ...calmLoad, ...load },
    },
    { cores: null, interrupted: t.signal },
  );
  // What a tear-down says is asserted where it is closed; here only the process has to go.
  t.after(() => generator.close().catch(() => undefined));
  return generator;
}

/** One phase; asserts what holds of every phase: each due request came to exactly one end. */
export async function runLoad(t: TestContext, options: LoadRunOptions): Promise<RunMeasurement> {
  const generator = await openTestGenerator(t, options);
  const load = { ...calmLoad, ...options.load };
  const run = await runPhase(generator, {
    durationS: load.durationS,
    ratePerS: load.loop === 'open' ? load.ratePerS : null,
  });
  await generator.close();
  return run;
}

export async function runPhase(generator: Generator, phase: Phase): Promise<RunMeasurement> {
  const startedAt = performance.now();
  const run = await generator.run(phase);
  const tookS = (performance.now() - startedAt) / 1000;
  assert.ok(tookS < phase.durationS + 15, `a phase of ${phase.durationS} s took ${tookS} s`);
  assertAccounts(run);
  if (phase.ratePerS !== null) assert.equal(run.due, Math.ceil(phase.ratePerS * phase.durationS));
  return run;
}

export function assertAccounts(run: RunMeasurement): void {
  const failed = sumOf(Object.values(run.failures));
  assert.equal(run.due, run.ok + failed, JSON.stringify(run.failures));
  assert.equal(run.due, sumOf(run.series.map(({ due }) => due)));
  assert.equal(run.ok, sumOf(run.series.map(({ ok }) => ok)));
  assert.equal(failed, sumOf(run.series.map((second) => second.failed)));
  const aged = (run.failures.timeout ?? 0) + (run.failures.unfinished ?? 0);
  assert.equal(run.response.count, run.ok + aged);
  assert.equal(run.service.count, run.ok);
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** Listens on a free port and calls `onRequest` at each end of a request's head, counted from 0 in each connection. */
export async function startServer(
  t: TestContext,
  onRequest: (socket: Socket, number: number) => void,
): Promise<{ url: string; server: Server; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    let number = 0;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', () => onRequest(socket, number++));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { url: `http://127.0.0.1:${address.port}/`, server, sockets };
}

/** A scenario file of one test; `body` is TypeScript that exports `scenario`. */
export function writeScenario(t: TestContext, body: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'lab-scenario-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'case.ts');
  writeFileSync(path, body);
  return path;
}
