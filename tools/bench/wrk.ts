/** Runs wrk, a load generator that sends as fast as it is answered, and reads what it prints. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface WrkRun {
  /** Requests answered a second. */
  rate: number;
  /** Milliseconds from sending to the whole answer. */
  meanMs: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  answered: number;
  /** Answers other than 2xx and 3xx, and connections that broke or timed out. */
  errors: number;
}

export interface WrkPlace {
  /** The core to pin it to; unset: all. */
  core?: number;
  /** For the script that `-s` names. */
  scriptArguments?: readonly string[];
}

/**
 * @param options of wrk, such as `-c100`; the thread count, the duration and `--latency` are added
 * @throws when wrk prints no result
 */
export async function runWrk(
  url: string,
  seconds: number,
  options: readonly string[],
  { core, scriptArguments = [] }: WrkPlace = {},
): Promise<WrkRun> {
  const pinned = core === undefined ? [] : ['taskset', '-c', String(core)];
  const wrk = ['wrk', '-t1', `-d${seconds}s`, '--latency', '--timeout', '10s', ...options, url];
  const [program = '', ...args] = [...pinned, ...wrk, '--', ...scriptArguments];
  const { stdout } = await run(program, args, { timeout: (seconds + 60) * 1000 });
  return parseWrk(stdout);
}

export function parseWrk(text: string): WrkRun {
  const rate = /Requests\/sec:\s+([\d.]+)/.exec(text)?.[1];
  if (rate === undefined) throw new Error(`No rate in what wrk printed:\n${text}`);
  const [, mean = '', , max = ''] = /^ +Latency +([\d.]+\w+) +([\d.]+\w+) +([\d.]+\w+)/m.exec(text) ?? [];
  const broken =
    /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)?.slice(1) ?? [];
  const refused = /Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? '0';
  const share = (name: string) => toMs(new RegExp(`^ +${name} +([\\d.]+\\w+)`, 'm').exec(text)?.[1] ?? '');
  return {
    rate: Number(rate),
    meanMs: toMs(mean),
    p50Ms: share('50%'),
    p99Ms: share('99%'),
    maxMs: toMs(max),
    answered: Number(/(\d+) requests in/.exec(text)?.[1]),
    errors: [...broken, refused].reduce((sum, count) => sum + Number(count), 0),
  };
}

const unitMs: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 };

function toMs(text: string): number {
  const [, amount, unit = ''] = /^([\d.]+)(us|ms|s|m)$/.exec(text) ?? [];
  return Number(amount) * (unitMs[unit] ?? Number.NaN);
}
