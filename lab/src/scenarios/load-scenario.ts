/** Loads a scenario file and checks its shape, so that a slip is one sentence rather than a stack trace. */
import { pathToFileURL } from 'node:url';
import { exitStatus, LabError } from '../exit-status.ts';
import { offerOwnModules } from './own-modules.ts';
import type { Scenario } from './scenario.ts';

/** A scenario whose own types are known only to its file. */
export type LoadedScenario = Scenario<unknown, unknown>;

/** @throws LabError when the file cannot be loaded or does not export a scenario */
export async function loadScenario(path: string): Promise<LoadedScenario> {
  let module: unknown;
  offerOwnModules();
  try {
    module = await import(pathToFileURL(path).href);
  } catch (error) {
    throw new LabError(
      exitStatus.tool,
      `The scenario file ${path} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
  const found = hasField(module, 'scenario') ? module.scenario : undefined;
  const fault = findFault(found);
  if (fault !== undefined) {
    throw new LabError(exitStatus.tool, `The scenario file ${path} ${fault}.`);
  }
  return found as LoadedScenario; // parser: findFault has looked at every field that is used
}

function findFault(scenario: unknown): string | undefined {
  if (typeof scenario !== 'object' || scenario === null) return 'does not export an object named "scenario"';
  if (!hasField(scenario, 'name') || typeof scenario.name !== 'string' || scenario.name === '') {
    return 'exports a scenario without a name';
  }
  for (const phase of ['setUp', 'connect', 'tearDown'] as const) {
    const given = hasField(scenario, phase) ? scenario[phase] : undefined;
    if (given !== undefined && typeof given !== 'function') {
      return `exports a scenario whose ${phase} is no function`;
    }
  }
  const renew = hasField(scenario, 'renew') ? scenario.renew : undefined;
  if (renew !== undefined && !isRenewal(renew)) {
    return 'exports a scenario whose renew is not { everyS: seconds over 0, run: function }';
  }
  const steps = hasField(scenario, 'steps') ? scenario.steps : undefined;
  if (!Array.isArray(steps) || steps.length === 0) return 'exports a scenario without steps';
  const names = new Set<unknown>();
  for (const [index, step] of steps.entries()) {
    const fault = findStepFault(step);
    if (fault !== undefined) return `exports a scenario whose step ${index + 1} ${fault}`;
    if (names.has(step.name)) return `exports a scenario with two steps named ${step.name}`;
    names.add(step.name);
  }
  const isWeighted = steps.some((step: { weight?: number }) => (step.weight ?? 1) > 0);
  return isWeighted ? undefined : 'exports a scenario whose steps all have the weight 0';
}

function findStepFault(step: unknown): string | undefined {
  if (!hasField(step, 'name') || typeof step.name !== 'string' || step.name === '') return 'has no name';
  const request = hasField(step, 'request') ? step.request : undefined;
  const isPlan = hasField(request, 'path') && typeof request.path === 'string';
  if (typeof request !== 'function' && !isPlan) return 'has no request with a path';
  const weight = hasField(step, 'weight') ? step.weight : undefined;
  if (weight !== undefined && !(typeof weight === 'number' && weight >= 0 && Number.isFinite(weight))) {
    return 'has a weight that is not a number from 0 on';
  }
  const expect = hasField(step, 'expect') ? step.expect : undefined;
  if (expect !== undefined && !(Array.isArray(expect) && expect.every(isStatus))) {
    return 'expects something that is not a list of statuses from 200 to 599';
  }
  const check = hasField(step, 'check') ? step.check : undefined;
  return check === undefined || typeof check === 'function' ? undefined : 'has a check that is no function';
}

function isRenewal(value: unknown): boolean {
  return (
    hasField(value, 'everyS') &&
    typeof value.everyS === 'number' &&
    value.everyS > 0 &&
    hasField(value, 'run') &&
    typeof value.run === 'function'
  );
}

function isStatus(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 200 && Number(value) <= 599;
}

function hasField<Name extends string>(value: unknown, name: Name): value is Record<Name, unknown> {
  return typeof value === 'object' && value !== null && name in value;
}
