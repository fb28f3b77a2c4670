/** What is sent and what counts as right: one request, or the weighted steps of a scenario with their sessions. */
import { exitStatus, LabError } from '../exit-status.ts';
import type { LoadedScenario } from '../scenarios/load-scenario.ts';
import type { Answer, ScenarioContext, Step } from '../scenarios/scenario.ts';
import type { EncodedRequest } from './connection.ts';
import type { GeneratorOptions } from './generator.ts';
import type { EncodeRequest } from './request-encoder.ts';
import { randomAt } from './seeded-random.ts';

/** All that the timed path asks for; nothing in it waits. */
export interface Workload {
  readonly stepNames: readonly string[];
  /** The same for a number whenever it is asked. */
  chooseStep(number: number): number;
  /** @throws whatever the scenario throws */
  encode(step: number, connection: number, number: number): EncodedRequest;
  isExpected(step: number, status: number): boolean;
  /** Whether `check` wants the answer's head and body. */
  hasCheck(step: number): boolean;
  /** @throws whatever the scenario throws */
  check(step: number, answer: Answer, connection: number): string | undefined;
  /** Whether the connection's session is due to be renewed; `nowMs` is any monotonic clock. */
  isRenewalDue(connection: number, nowMs: number): boolean;
  /** @throws whatever the scenario throws */
  renew(connection: number, nowMs: number): Promise<void>;
}

/** A path under the target is empty for the target itself. */
export function createSingleWorkload(
  request: NonNullable<GeneratorOptions['request']>,
  encode: EncodeRequest,
): Workload {
  const { method, headers, body, expect } = request;
  const encoded = encode({ method, path: '', headers, body });
  const expected = toExpectedStatuses(expect);
  return {
    stepNames: ['request'],
    chooseStep: () => 0,
    encode: () => encoded,
    isExpected: (_step, status) => expected[status] === 1,
    hasCheck: () => false,
    check: () => undefined,
    isRenewalDue: () => false,
    renew: () => Promise.resolve(),
  };
}

/** A scenario that has been set up. */
export interface ScenarioWorkload extends Workload {
  /** Runs the scenario's tear-down. @throws LabError naming the phase */
  tearDown(): Promise<void>;
}

/** Sign-ins are what set-up mostly does; more at once would only queue in the server. */
const connectsAtOnce = 8;

/**
 * Sets a scenario up and gives each connection its session. When a phase fails, tear-down has run before this throws.
 *
 * @throws LabError naming scenario, phase and message
 */
export async function openScenarioWorkload(
  scenario: LoadedScenario,
  context: ScenarioContext,
  encode: EncodeRequest,
  options: { connections: number; seed: number; nowMs: () => number },
): Promise<ScenarioWorkload> {
  let shared: unknown;
  const sessions: unknown[] = [];
  const tearDown = () =>
    runPhase(scenario.name, 'tearDown', async () => scenario.tearDown?.(context, shared));
  try {
    shared = await runPhase(scenario.name, 'setUp', async () => scenario.setUp?.(context));
    for (let from = 0; from < options.connections && scenario.connect !== undefined; from += connectsAtOnce) {
      const size = Math.min(connectsAtOnce, options.connections - from);
      const opened = await Promise.all(
        Array.from({ length: size }, (_, offset) =>
          runPhase(scenario.name, 'connect', async () => scenario.connect?.(context, shared, from + offset)),
        ),
      );
      sessions.push(...opened);
    }
    const timed = createScenarioWorkload(scenario, shared, sessions, encode, options);
    return { ...timed, tearDown };
  } catch (error) {
    // The first failure is the one to report.
    await tearDown().catch(() => undefined);
    throw error;
  }
}

function createScenarioWorkload(
  scenario: LoadedScenario,
  shared: unknown,
  sessions: readonly unknown[],
  encode: EncodeRequest,
  options: { connections: number; seed: number; nowMs: () => number },
): Workload {
  const { steps, renew } = scenario;
  const fixed = steps.map((step) => encodeFixed(scenario.name, step, encode));
  const expected = steps.map((step) => toExpectedStatuses(step.expect));
  const bounds = toBounds(steps);
  // Arrivals draw from the seed itself: with the same numbers each step would always come after gaps of its own length.
  const stepSeed = ~options.seed;
  const everyMs = (renew?.everyS ?? 0) * 1000;
  // Spread over the interval, so that renewals do not come as a burst of their own.
  const renewAtMs = Array.from(
    { length: options.connections },
    (_, index) => options.nowMs() + everyMs * (0.5 + index / (2 * options.connections)),
  );
  return {
    stepNames: steps.map(({ name }) => name),
    chooseStep(number) {
      if (bounds.length === 1) return 0;
      const at = randomAt(stepSeed, number);
      let step = 0;
      while (step < bounds.length - 1 && at >= (bounds[step] ?? 1)) step++;
      return step;
    },
    encode(step, connection, number) {
      const known = fixed[step];
      if (known !== undefined) return known;
      const request = steps[step]?.request;
      if (typeof request !== 'function') throw new RangeError(`There is no step ${step}.`);
      return encode(request(sessions[connection], number, shared));
    },
    isExpected: (step, status) => expected[step]?.[status] === 1,
    hasCheck: (step) => steps[step]?.check !== undefined,
    check: (step, answer, connection) => steps[step]?.check?.(answer, sessions[connection], shared),
    isRenewalDue: (connection, nowMs) => renew !== undefined && nowMs >= (renewAtMs[connection] ?? 0),
    async renew(connection, nowMs) {
      renewAtMs[connection] = nowMs + everyMs;
      await renew?.run(sessions[connection], shared);
    },
  };
}

function encodeFixed(
  scenarioName: string,
  step: Step<unknown, unknown>,
  encode: EncodeRequest,
): EncodedRequest | undefined {
  if (typeof step.request === 'function') return undefined;
  try {
    return encode(step.request);
  } catch (error) {
    throw failPhase(scenarioName, `step ${step.name}`, error);
  }
}

/** Upper bounds of the steps in [0, 1), by weight. */
function toBounds(steps: LoadedScenario['steps']): number[] {
  const total = steps.reduce((sum, { weight = 1 }) => sum + weight, 0);
  let sum = 0;
  return steps.map(({ weight = 1 }) => {
    sum += weight;
    return sum / total;
  });
}

function toExpectedStatuses(expect: readonly number[] | undefined): Uint8Array {
  const expected = new Uint8Array(1000);
  if (expect === undefined) expected.fill(1, 200, 300);
  else for (const status of expect) expected[status] = 1;
  return expected;
}

async function runPhase<Value>(
  scenarioName: string,
  phase: string,
  run: () => Promise<Value>,
): Promise<Value> {
  try {
    return await run();
  } catch (error) {
    throw failPhase(scenarioName, phase, error);
  }
}

function failPhase(scenarioName: string, phase: string, error: unknown): LabError {
  const message = error instanceof Error ? error.message : String(error);
  return new LabError(
    exitStatus.tool,
    `The scenario ${scenarioName} failed in ${phase}: ${message.replace(/\.?$/, '.')}`,
    { cause: error },
  );
}
