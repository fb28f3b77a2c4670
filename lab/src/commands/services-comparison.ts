/** What every comparison of services reads from the command line, does and leaves behind. */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ExitStatus, exitStatus } from '../exit-status.ts';
import { type CorePlan, canPin, planCores, readAllowedCores } from '../load/pinning.ts';
import { compareServices, type ReadyService, type ServiceRun, type Task } from '../peers/compare-services.ts';
import type { ServicesReport } from '../peers/services-report.ts';
import { writeServicesReport } from '../peers/write-services-report.ts';
import { quoteCommand } from '../report/format-figures.ts';
import { readMachine } from '../result/machine.ts';
import type { LabContext, OptionValues } from './lab-command.ts';
import type { Narrator } from './narrator.ts';
import { readNumber, readSeconds, readText } from './option-values.ts';
import { checkFolderPlaces } from './output-place.ts';

/** The folder of the scenarios, and of the services that are not ours. */
export const peersFolder = fileURLToPath(new URL('../../peers/', import.meta.url));

export interface ComparisonOptions {
  rounds: number;
  /** Length of one run, seconds. */
  runS: number;
  cores: CorePlan;
  /** Where what is compared is installed. */
  folder: string;
  /** The report; its charts go beside it. */
  out: string;
}

/**
 * Reads --rounds, --duration, --pin, --folder and --out.
 *
 * @param name of the command: what is not told goes to .irontrack-lab under it
 * @param pin what is meant without --pin
 * @throws LabError naming the option that is wrong
 */
export function readComparisonOptions(
  values: OptionValues,
  name: string,
  pin: 'auto' | 'off',
  { cwd }: LabContext,
): ComparisonOptions {
  checkFolderPlaces(values, cwd, ['folder']);
  return {
    rounds: readNumber(values, 'rounds', { least: 1, most: 100, whole: true, unit: 'runs' }) ?? 5,
    runS: readSeconds(values, 'duration', { least: 0.2, most: 600 }) ?? 4,
    cores: planCores(readAllowedCores(), readText(values, 'pin') ?? pin, { canPin: canPin() }),
    folder: resolve(cwd, readText(values, 'folder') ?? `.irontrack-lab/${name}`),
    out: resolve(cwd, readText(values, 'out') ?? `.irontrack-lab/${name}.md`),
  };
}

/** What is compared under the same settings for all. */
interface Section {
  title: string;
  tasks: readonly Task[];
  /** Called when its turn comes. */
  prepare(): Promise<ReadyService[]>;
}

/** What a report says beside what is measured, and how. */
type ReportHead = Omit<
  ServicesReport,
  'machine' | 'command' | 'rounds' | 'runS' | 'runs' | 'refusals' | 'isUnfinished'
>;

/**
 * Measures the sections one after the other. The report is written after every run, and at the end to the terminal too.
 *
 * @returns whether all of them delivered
 */
export async function measureSections(
  sections: readonly Section[],
  { rounds, runS, cores, out }: ComparisonOptions,
  head: ReportHead,
  narrator: Narrator,
  { args, cwd, interrupted, stdout }: LabContext,
): Promise<ExitStatus> {
  const runs: ServiceRun[] = [];
  const refusals: { service: string; section: string; reason: string }[] = [];
  const report: ServicesReport = {
    ...head,
    caveats: [...head.caveats, ...cores.faults.map(({ sentence }) => sentence)],
    machine: readMachine(),
    command: quoteCommand(['npx', 'irontrack-lab', ...args]),
    rounds,
    runS,
    runs,
    refusals,
  };
  try {
    for (const { title, tasks, prepare } of sections) {
      await compareServices({
        services: await prepare(),
        section: title,
        tasks,
        rounds,
        runS,
        cores,
        scenarios: peersFolder,
        cwd,
        interrupted,
        say: narrator.say,
        onRun(run) {
          runs.push(run);
          writeServicesReport(out, { ...report, isUnfinished: true });
        },
        onRefusal: (service, reason) => refusals.push({ service, section: title, reason }),
      });
    }
  } catch (error) {
    if (runs.length > 0) narrator.say(`What was measured is in ${out}.`);
    throw error;
  } finally {
    narrator.done();
  }
  stdout.write(`${writeServicesReport(out, report)}\nReport: ${out}\n`);
  return refusals.length > 0 || runs.some(({ failed, due }) => failed > due / 100)
    ? exitStatus.notDelivered
    : exitStatus.ok;
}
