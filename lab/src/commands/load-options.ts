/** The options that describe a load, shared by every command that makes one, and what they say together. */
import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { exitStatus, LabError } from '../exit-status.ts';
import { checkTargetAddress } from '../load/address-guard.ts';
import type { BenchOptions } from '../load/bench.ts';
import type { GeneratorOptions } from '../load/generator.ts';
import { type CorePlan, canPin, planCores, readAllowedCores } from '../load/pinning.ts';
import { describeTarget, parseTarget } from '../load/target.ts';
import type { LoadShape, Target } from '../result/result.ts';
import { listProcessTree } from '../sample/proc.ts';
import type { LabContext, LabOption, OptionValues } from './lab-command.ts';
import { readFlag, readHeaders, readNumber, readSeconds, readText } from './option-values.ts';

export const targetOptions: Readonly<Record<string, LabOption>> = {
  url: { type: 'string', help: 'Where the scenario finds its server. Default http://127.0.0.1:8000.' },
  method: { type: 'string', short: 'X', help: 'HTTP method. Default GET, POST with a body.' },
  header: { type: 'string', short: 'H', multiple: true, help: 'Header "Name: value"; may be repeated.' },
  body: { type: 'string', short: 'd', help: 'Body, as it is.' },
  json: { type: 'string', help: 'Body in JSON; sets the content type.' },
  expect: { type: 'string', help: 'Statuses that count as right, such as 200,404. Default 200 to 299.' },
  socket: { type: 'string', help: 'Unix socket to connect to; the URL then only gives host and path.' },
  insecure: { type: 'boolean', short: 'k', help: 'Accept any TLS certificate.' },
  http2: { type: 'boolean', help: 'HTTP/2 instead of HTTP/1.1.' },
  'i-own-this-target': {
    type: 'boolean',
    help: 'Allow an address that is neither loopback nor private. Load on what is not yours is an attack.',
  },
};

export const loadOptions: Readonly<Record<string, LabOption>> = {
  rate: { type: 'string', short: 'r', help: 'Open loop: requests a second, by the clock. Default 50.' },
  max: {
    type: 'boolean',
    help: 'Closed loop: as fast as it goes. Says how much, not how long somebody waits.',
  },
  poisson: { type: 'boolean', help: 'Open loop with random (Poisson) arrivals instead of even ones.' },
  connections: { type: 'string', short: 'c', help: 'Connections. Default 50; with HTTP/2, streams.' },
  duration: { type: 'string', short: 't', help: 'Length of a measured run, such as 10s. Default 10s.' },
  warmup: { type: 'string', help: 'Load before the first measured run. Default 3s.' },
  timeout: { type: 'string', help: 'How long an answer may take. Default 10s.' },
  'no-spin': {
    type: 'boolean',
    help: 'Wait by timers: late by up to a millisecond, but leaves the core to others.',
  },
  seed: { type: 'string', help: 'Of everything random: arrivals, steps, data. Default 1.' },
  'max-body': { type: 'string', help: 'Largest body read, bytes. Default 16777216.' },
};

export const serverOptions: Readonly<Record<string, LabOption>> = {
  server: {
    type: 'string',
    short: 's',
    help: 'Command that starts the server under test; the lab waits for its first answer and stops it afterwards.',
  },
  'ready-timeout': { type: 'string', help: 'How long the server may take to its first answer. Default 60s.' },
  pid: { type: 'string', help: 'Process to sample when the server was not started by the lab.' },
  pin: { type: 'string', help: 'auto, off, or server=0,generator=1: cores of each. Default auto.' },
};

export interface LoadPlan {
  /** Short name for files and reports. */
  name: string;
  /** As GeneratorOptions; with its URL's host resolved nowhere, so that the Host header stays what was asked for. */
  generator: GeneratorOptions;
  target: Target;
  cores: CorePlan;
  iOwnThisTarget: boolean;
}

/**
 * Reads what is to be loaded, and how, and checks that it may be.
 *
 * @param subject a URL or the path of a scenario file
 * @throws LabError for anything that cannot be measured as asked
 */
export async function readLoadPlan(
  subject: string | undefined,
  values: OptionValues,
  cwd: string,
): Promise<LoadPlan> {
  if (subject === undefined) {
    throw new LabError(exitStatus.tool, 'Name a URL or a scenario file. See --help.');
  }
  const scenarioPath = findScenario(subject, cwd);
  const socketPath = readText(values, 'socket');
  const urlText = scenarioPath === undefined ? subject : (readText(values, 'url') ?? 'http://127.0.0.1:8000');
  const { url } = parseTarget(urlText, { socketPath });
  const iOwnThisTarget = readFlag(values, 'i-own-this-target');
  await checkTargetAddress(url, {
    iOwnThisTarget,
    ...(socketPath === undefined ? {} : { socketPath }),
  });
  const latency = !readFlag(values, 'max');
  const cores = planCores(readAllowedCores(), readText(values, 'pin'), { latency, canPin: canPin() });
  const load = readLoadShape(values, cores);
  const request = scenarioPath === undefined ? readRequest(values) : undefined;
  const generator: GeneratorOptions = {
    url: url.href,
    insecure: readFlag(values, 'insecure'),
    seed: readNumber(values, 'seed', { least: 0, most: 2 ** 32 - 1, whole: true, unit: 'anything' }) ?? 1,
    load,
    maxBodyBytes:
      readNumber(values, 'max-body', { least: 1, most: 2 ** 31, whole: true, unit: 'bytes' }) ?? 16 * 2 ** 20,
    ...(socketPath === undefined ? {} : { socketPath: resolve(cwd, socketPath) }),
    ...(scenarioPath === undefined ? {} : { scenarioPath }),
    ...(request === undefined ? {} : { request }),
  };
  const server = readText(values, 'server');
  const target: Target = {
    url: describeTarget(url),
    method: request?.method ?? 'as the scenario says',
    ...(socketPath === undefined ? {} : { socketPath }),
    ...(scenarioPath === undefined ? {} : { scenario: basename(scenarioPath) }),
    ...(server === undefined ? {} : { server }),
  };
  const name = scenarioPath === undefined ? nameOf(url) : basename(scenarioPath).replace(/\.[cm]?[jt]s$/, '');
  return { name, generator, target, cores, iOwnThisTarget };
}

function findScenario(subject: string, cwd: string): string | undefined {
  if (!/\.[cm]?[jt]s$/.test(subject) || /^https?:/i.test(subject)) return undefined;
  const path = resolve(cwd, subject);
  if (!existsSync(path)) throw new LabError(exitStatus.tool, `There is no scenario file ${subject}.`);
  return path;
}

function readLoadShape(values: OptionValues, cores: CorePlan): LoadShape {
  const closed = readFlag(values, 'max');
  const rate = readNumber(values, 'rate', { least: 0.01, most: 10_000_000, unit: 'requests a second' });
  if (closed && rate !== undefined) {
    throw new LabError(exitStatus.tool, 'Give --rate (open loop) or --max (closed loop), not both.');
  }
  if (closed && readFlag(values, 'poisson')) {
    throw new LabError(exitStatus.tool, 'Give --poisson with --rate: a closed loop (--max) has no arrivals.');
  }
  return {
    loop: closed ? 'closed' : 'open',
    ratePerS: closed ? null : (rate ?? 50),
    arrivals: readFlag(values, 'poisson') ? 'poisson' : 'constant',
    connections:
      readNumber(values, 'connections', { least: 1, most: 20_000, whole: true, unit: 'connections' }) ?? 50,
    durationS: readSeconds(values, 'duration', { least: 0.1, most: 86_400 }) ?? 10,
    warmupS: readSeconds(values, 'warmup', { least: 0, most: 3600 }) ?? 3,
    pauseS: readSeconds(values, 'pause', { least: 0, most: 3600 }) ?? 1,
    timeoutS: readSeconds(values, 'timeout', { least: 0.001, most: 3600 }) ?? 10,
    spin: !readFlag(values, 'no-spin') && cores.generator !== null,
    protocol: readFlag(values, 'http2') ? 'http/2' : 'http/1.1',
    serverCores: cores.server,
    generatorCores: cores.generator,
  };
}

function readRequest(values: OptionValues): NonNullable<GeneratorOptions['request']> {
  const json = readText(values, 'json');
  const body = readText(values, 'body');
  if (json !== undefined && body !== undefined) {
    throw new LabError(exitStatus.tool, 'Give --body or --json, not both.');
  }
  if (json !== undefined && !isJson(json)) {
    throw new LabError(exitStatus.tool, 'What --json was given is not JSON.');
  }
  const content = json ?? body;
  const method = readText(values, 'method') ?? (content === undefined ? 'GET' : 'POST');
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}$/.test(method)) {
    throw new LabError(exitStatus.tool, '--method takes an HTTP method, such as GET.');
  }
  const expect = readText(values, 'expect')?.split(',').map(Number);
  if (expect?.some((status) => !Number.isInteger(status) || status < 200 || status > 599) === true) {
    throw new LabError(exitStatus.tool, '--expect takes statuses from 200 to 599, such as 200,404.');
  }
  const headers = readHeaders(values, 'header');
  return {
    method: method.toUpperCase(),
    headers: json === undefined ? headers : { 'content-type': 'application/json', ...headers },
    body: content ?? '',
    ...(expect === undefined ? {} : { expect }),
  };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function nameOf(url: URL): string {
  const path = url.pathname.replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '');
  return path === '' ? url.hostname : path;
}

/**
 * The server to start, or the process that is it already.
 *
 * @throws LabError when there is no such process: its lanes would be empty, which looks like a server at rest
 */
export function readServer(values: OptionValues, context: LabContext): Pick<BenchOptions, 'server' | 'pid'> {
  const command = readText(values, 'server');
  const pid = readNumber(values, 'pid', { least: 1, most: 2 ** 22, whole: true, unit: 'a process id' });
  if (pid !== undefined && process.platform === 'linux' && listProcessTree(pid).length === 0) {
    throw new LabError(exitStatus.tool, `There is no process ${pid}: look its PID up again.`);
  }
  if (command === undefined) return pid === undefined ? {} : { pid };
  const readyTimeoutS = readSeconds(values, 'ready-timeout', { least: 0.1, most: 3600 }) ?? 60;
  return { server: { command, cwd: context.cwd, readyTimeoutS, environment: context.environment } };
}
