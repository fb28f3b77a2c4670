/** `irontrack-lab profile`: where a Node server's CPU goes, as a table and a flame graph, and when it stood still. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { exitStatus, LabError } from '../exit-status.ts';
import { openBench } from '../load/bench.ts';
import { startServer } from '../load/server-process.ts';
import { parseTarget } from '../load/target.ts';
import { buildFlame, parseCpuProfile } from '../profile/cpu-profile.ts';
import { type PageProfile, renderFlamePage, sumUp } from '../profile/flame-page.ts';
import { type LoadDuringProfile, type ProfileTarget, recordProfile } from '../profile/record-profile.ts';
import { tabulateShares } from '../profile/share-table.ts';
import { formatShare } from '../report/format-figures.ts';
import type { CpuShare } from '../result/result.ts';
import { listProcessTree } from '../sample/proc.ts';
import type { LabCommand, LabContext, OptionValues } from './lab-command.ts';
import { loadOptions, readLoadPlan, readServer, serverOptions, targetOptions } from './load-options.ts';
import { readFlag, readSeconds, readText } from './option-values.ts';

const { duration: _, ...loadWithoutDuration } = loadOptions;

export const profile: LabCommand = {
  summary: 'Show where the CPU of a Node server goes: flame graph, share by function and package, stalls.',
  usage: '[url | scenario.ts] --pid <pid> | --inspect-url <ws://...> | --server <command> [options]',
  mostArguments: 1,
  options: {
    ...serverOptions,
    pid: { type: 'string', help: 'Process to profile, or whose busiest Node child to profile.' },
    'inspect-url': { type: 'string', help: 'The ws:// address that node --inspect printed.' },
    ...loadWithoutDuration,
    ...targetOptions,
    seconds: { type: 'string', short: 't', help: 'How long. Default 10.' },
    out: { type: 'string', short: 'o', help: 'The page. Default .irontrack-lab/<name>.flame.html.' },
    cpuprofile: { type: 'string', help: "Write the profile itself, too, for --diff or Chrome's tools." },
    diff: { type: 'string', help: 'A .cpuprofile of before: the page then shows what changed.' },
  },
  async run(positionals, values, context) {
    const seconds = readSeconds(values, 'seconds', { least: 0.2, most: 600 }) ?? 10;
    const before = await readBefore(values, context);
    const subject = await openSubject(positionals[0], values, context, seconds);
    let recorded: Awaited<ReturnType<typeof recordProfile>>;
    try {
      recorded = await recordProfile({
        ...subject.target,
        seconds,
        signal: context.interrupted,
        ...(subject.samplerCores === undefined ? {} : { samplerCores: subject.samplerCores }),
        ...(subject.load === undefined ? {} : { load: subject.load }),
      });
    } catch (error) {
      // An interruption stops the server, which the profile then only knows to have ended.
      context.interrupted.throwIfAborted();
      throw error;
    } finally {
      await subject.close();
    }
    const out = resolve(context.cwd, readText(values, 'out') ?? `.irontrack-lab/${subject.name}.flame.html`);
    await renderFlamePage(out, recorded, subject.name, before);
    const cpuprofile = readText(values, 'cpuprofile');
    if (cpuprofile !== undefined) {
      const path = resolve(context.cwd, cpuprofile);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, recorded.file);
    }
    context.stdout.write(`${sumUp(recorded)}\n\n${renderTable(recorded.table.packages, 12)}\n`);
    context.stdout.write(`${renderTable(recorded.table.functions, 15)}\nFlame graph: ${out}\n`);
    return exitStatus.ok;
  },
};

/** Read first: a file that is none should not cost a profile. */
async function readBefore(
  values: OptionValues,
  context: LabContext,
): Promise<{ name: string; recorded: PageProfile } | undefined> {
  const path = readText(values, 'diff');
  if (path === undefined) return undefined;
  let raw: unknown;
  try {
    raw = JSON.parse(await readFile(resolve(context.cwd, path), 'utf8'));
  } catch (error) {
    const sentence = `${path} cannot be read as JSON: give --diff a file of --cpuprofile.`;
    throw new LabError(exitStatus.tool, sentence, { cause: error });
  }
  const profiled = parseCpuProfile(raw);
  const flame = buildFlame(profiled);
  const table = tabulateShares(flame, profiled.context.wallS);
  return { name: basename(path), recorded: { flame, table, profile: profiled } };
}

interface Subject {
  name: string;
  target: ProfileTarget;
  load?: () => Promise<LoadDuringProfile>;
  samplerCores?: string | null;
  close(): Promise<void>;
}

const nothingToClose = async (): Promise<void> => undefined;

async function openSubject(
  positional: string | undefined,
  values: OptionValues,
  context: LabContext,
  seconds: number,
): Promise<Subject> {
  const { server, pid } = readServer(values, context);
  const inspectorUrl = readText(values, 'inspect-url');
  if ([server, pid, inspectorUrl].filter((given) => given !== undefined).length !== 1) {
    throw new LabError(exitStatus.tool, 'Name one server: --pid, --inspect-url or --server. See --help.');
  }
  const findTarget = (pids: readonly number[]): ProfileTarget =>
    inspectorUrl === undefined ? { pids } : { inspectorUrl };
  const urlText = positional ?? readText(values, 'url');
  const wantsLoad =
    positional !== undefined || readText(values, 'rate') !== undefined || readFlag(values, 'max');

  if (wantsLoad) {
    const plan = await readLoadPlan(urlText, values, context.cwd);
    const load = { ...plan.generator.load, durationS: seconds };
    const bench = await openBench({
      iOwnThisTarget: plan.iOwnThisTarget,
      generator: { ...plan.generator, load },
      interrupted: context.interrupted,
      ...(server === undefined ? {} : { server }),
    });
    try {
      context.stderr.write(`Warming up for ${load.warmupS} s, then profiling for ${seconds} s under load.\n`);
      if (load.warmupS > 0) {
        await bench.measure({ durationS: load.warmupS, ratePerS: load.ratePerS });
      }
    } catch (error) {
      await bench.close();
      throw error;
    }
    return {
      name: plan.name,
      target: findTarget(pid === undefined ? bench.pids() : listProcessTree(pid)),
      async load() {
        const run = await bench.measure({ durationS: seconds, ratePerS: load.ratePerS });
        return { answered: run.ok, seen: { kind: 'seconds', series: run.series } };
      },
      samplerCores: load.generatorCores,
      close: () => bench.close(),
    };
  }

  if (server === undefined) {
    context.stderr.write(`Profiling for ${seconds} s; give --rate and a URL for load meanwhile.\n`);
    const name = pid === undefined ? 'profile' : `pid-${pid}`;
    const target = findTarget(pid === undefined ? [] : listProcessTree(pid));
    return { name, target, close: nothingToClose };
  }
  if (urlText === undefined) throw new LabError(exitStatus.tool, 'With --server give its URL, too.');
  const { url } = parseTarget(urlText, {});
  const started = await startServer({ ...server, url, cores: null, interrupted: context.interrupted });
  return { name: url.hostname, target: findTarget(started.pids()), close: () => started.stop() };
}

function renderTable(rows: readonly CpuShare[], most: number): string {
  const lines = rows.slice(0, most).map(({ name, where, self, total }) => {
    const place = where.includes('/') || where.includes(':') ? `  ${where}` : '';
    return `${formatShare(self).padStart(8)} ${formatShare(total).padStart(8)}  ${name}${place}`;
  });
  return [`${'itself'.padStart(8)} ${'+ calls'.padStart(8)}`, ...lines, ''].join('\n');
}
