/** `irontrack-lab sample`: what a server and its machine do, from /proc, ten times a second. */
import { setTimeout as sleep } from 'node:timers/promises';
import { exitStatus, LabError } from '../exit-status.ts';
import { startServer } from '../load/server-process.ts';
import { parseTarget } from '../load/target.ts';
import { formatShort } from '../report/format-figures.ts';
import type { LaneReading } from '../result/result.ts';
import { readCpuMs } from '../sample/cpu-time.ts';
import { listProcessTree } from '../sample/proc.ts';
import { startSampler } from '../sample/sampler.ts';
import type { LabCommand, LabContext, OptionValues } from './lab-command.ts';
import { readServer, serverOptions } from './load-options.ts';
import { readFlag, readSeconds, readText } from './option-values.ts';

export const sample: LabCommand = {
  summary: 'Watch a server from the outside: CPU, waiting for a core, context switches, memory.',
  usage: '--pid <pid> | --server <command> --url <url> [options]',
  mostArguments: 0,
  options: {
    ...serverOptions,
    pin: { type: 'string', help: 'Core of the server that is started, as taskset takes it. Default all.' },
    url: { type: 'string', help: 'Where the server that is started answers.' },
    seconds: { type: 'string', short: 't', help: 'How long. Default 10.' },
    json: { type: 'boolean', help: 'Print every reading as JSON instead of the table.' },
  },
  async run(_positionals, values, context) {
    const seconds = readSeconds(values, 'seconds', { least: 0.2, most: 3600 }) ?? 10;
    const { pids, stop } = await findServer(values, context);
    try {
      const sampler = startSampler({ pids });
      if (sampler.note !== null) throw new LabError(exitStatus.tool, sampler.note);
      const known = pids();
      const cpuBeforeMs = readCpuMs(known);
      await sleep(seconds * 1000, undefined, { signal: context.interrupted }).catch(() => undefined);
      const wallS = (performance.now() - sampler.startedAtMs) / 1000;
      const cpuMs = Math.max(0, readCpuMs(known) - cpuBeforeMs);
      const lanes = sampler.stop();
      if (pids().length === 0) {
        throw new LabError(exitStatus.tool, 'The server ended while it was sampled: look at its log.');
      }
      const text = readFlag(values, 'json')
        ? JSON.stringify({ wallS, cpuMs, pids: known, lanes })
        : renderLanes(lanes, wallS, cpuMs, known.length);
      context.stdout.write(`${text}\n`);
    } finally {
      await stop();
    }
    return exitStatus.ok;
  },
};

/** A server that runs already, with its children, or one that is started and stopped again. */
async function findServer(
  values: OptionValues,
  context: LabContext,
): Promise<{ pids: () => number[]; stop: () => Promise<void> }> {
  const { server, pid } = readServer(values, context);
  if (server === undefined) {
    if (pid === undefined) {
      throw new LabError(exitStatus.tool, 'Name the server: --pid, or --server with --url. See --help.');
    }
    // The tree costs a walk of all of /proc: once a second is enough to notice a new worker.
    let tree = listProcessTree(pid);
    const timer = setInterval(() => {
      tree = listProcessTree(pid);
    }, 1000);
    return {
      pids: () => tree,
      stop: async () => clearInterval(timer),
    };
  }
  const url = readText(values, 'url');
  if (url === undefined) throw new LabError(exitStatus.tool, 'With --server give --url, where it answers.');
  const started = await startServer({
    ...server,
    url: parseTarget(url, {}).url,
    cores: readText(values, 'pin') ?? null,
    interrupted: context.interrupted,
  });
  return { pids: () => started.pids(), stop: () => started.stop() };
}

interface Lane {
  name: string;
  unit: string;
  read: (reading: LaneReading) => number | null;
}

const percentOf = (share: number | null): number | null => (share === null ? null : share * 100);

function listLanes(cores: number): Lane[] {
  return [
    { name: 'server CPU', unit: '% of a core', read: ({ serverCpu }) => percentOf(serverCpu) },
    { name: 'waiting for a core', unit: 'ms/s', read: ({ runQueueMsPerS }) => runQueueMsPerS },
    { name: 'switches, voluntary', unit: '/s', read: (reading) => reading.voluntarySwitchesPerS },
    { name: 'switches, forced', unit: '/s', read: (reading) => reading.involuntarySwitchesPerS },
    { name: 'memory', unit: 'MiB', read: ({ rssMb }) => rssMb },
    { name: 'pressure on CPU', unit: '%', read: ({ cpuPressure }) => percentOf(cpuPressure) },
    { name: 'stolen by the host', unit: '%', read: ({ steal }) => percentOf(steal) },
    ...Array.from({ length: cores }, (_, core) => ({
      name: `core ${core}`,
      unit: '%',
      read: (reading: LaneReading) => percentOf(reading.cores[core] ?? null),
    })),
  ];
}

/** One line a lane: mean, largest, and its course. */
export function renderLanes(
  lanes: readonly LaneReading[],
  wallS: number,
  cpuMs: number,
  processes: number,
): string {
  const lines = [
    `${processes} ${processes === 1 ? 'process' : 'processes'}, ${formatShort(wallS)} s, ` +
      `CPU ${formatShort(cpuMs)} ms (${formatShort(cpuMs / wallS / 10)} % of a core)`,
    '',
    `${'lane'.padEnd(20)} ${'mean'.padStart(8)} ${'most'.padStart(8)}  course`,
  ];
  for (const { name, unit, read } of listLanes(lanes[0]?.cores.length ?? 0)) {
    const values = lanes.map(read).filter((value) => value !== null);
    if (values.length === 0) {
      lines.push(`${name.padEnd(20)} ${'-'.padStart(8)} ${'-'.padStart(8)}  this kernel does not tell`);
      continue;
    }
    const most = Math.max(...values);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    // Shares of one core keep their scale, so that a quiet lane looks quiet.
    const top = unit === '%' ? 100 : name === 'server CPU' ? Math.max(100, most) : most;
    const figures = `${formatShort(mean).padStart(8)} ${formatShort(most).padStart(8)}`;
    lines.push(`${name.padEnd(20)} ${figures}  ${drawCourse(values, top)} ${unit}`);
  }
  return lines.join('\n');
}

const mostColumns = 40;

/** Eight heights from empty to `top`, each column the largest of its stretch. */
export function drawCourse(values: readonly number[], top: number): string {
  const columns = Math.min(mostColumns, values.length);
  let text = '';
  for (let column = 0; column < columns; column += 1) {
    const from = Math.floor((column * values.length) / columns);
    const until = Math.max(from + 1, Math.floor(((column + 1) * values.length) / columns));
    const largest = Math.max(...values.slice(from, until));
    const height = top <= 0 ? 0 : Math.round((Math.min(largest, top) / top) * 7);
    text += String.fromCharCode(0x2581 + height);
  }
  return text;
}
