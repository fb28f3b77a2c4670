/** What an hour of soaking comes to, as tables in Markdown. */
import { type GroupName, groupNames, type Reading } from '../../server/test/topology/soak/readings.ts';
import { type CollectedName, collectedNames } from './soak-held.ts';
import { countDescriptors, mb, ms, namesOf, type Soak, type Verdict } from './soak-judge.ts';
import { countUnexpected, type Latencies, type Minute, putTogether, shareOf } from './soak-minute.ts';
import { medianOf } from './soak-verdict.ts';

const row = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;

/** One row for five minutes, or for a twelfth of a longer run. */
export function writeCourse({ minutes, latencies }: Soak): string {
  const each = minutes.length <= 60 ? 5 : Math.ceil(minutes.length / 12);
  const head = [
    'minutes',
    'requests',
    'unexpected',
    '/me by cookie P50, P99 ms',
    'list P50, P99',
    'event P50, P99',
    'refresh P50',
    'sign-in P50',
    ...groupNames.map((name) => `${name} MB${name === 'postgresql' ? ' (PSS)' : ''}`),
    'after a collection: heaps of workers, supervisors MB',
    'descriptors but PostgreSQL',
    'PostgreSQL connections',
    'load average',
  ];
  const lines = [row(head), row(head.map((_, index) => (index === 0 ? '---' : '---:')))];
  for (let start = 0; start < minutes.length; start += each) {
    const part = minutes.slice(start, start + each);
    const timed = latencies.slice(start, start + each);
    const times = (name: string, ...shares: number[]) =>
      shares.map((share) => ms(shareOf(putTogether(timed, name), share))).join(', ');
    const median = (read: (minute: Minute) => number) => medianOf(part.map(read));
    const asked = part
      .flatMap(({ kinds }) => Object.values(kinds))
      .reduce((sum, kind) => sum + kind.asked, 0);
    lines.push(
      row([
        `${part[0]?.minute} to ${part.at(-1)?.minute}`,
        asked,
        part.reduce((sum, minute) => sum + countUnexpected(minute), 0),
        times('/me by cookie', 0.5, 0.99),
        times('list of exercises', 0.5, 0.99),
        times('event', 0.5, 0.99),
        times('refresh by token', 0.5),
        times('sign-in', 0.5),
        ...groupNames.map((name) => mb(median(({ reading }) => memoryOf(reading, name)))),
        collectedNames.map((name) => mb(liveOf(part, name))).join(', '),
        median(countDescriptors).toFixed(),
        median(({ reading }) => reading.databaseConnections).toFixed(),
        median(({ loadAverage }) => loadAverage).toFixed(1),
      ]),
    );
  }
  return lines.join('\n');
}

/** Every kind over the whole time. */
export function writeKinds({ minutes, latencies }: Soak): string {
  const head = [
    'request',
    'asked',
    'unexpected',
    'P50 ms',
    'P99 ms',
    'max ms',
    'first quarter P50, P99',
    'last',
  ];
  const lines = [row(head), row(head.map((_, index) => (index === 0 ? '---' : '---:')))];
  const quarter = Math.max(1, Math.floor(minutes.length / 4));
  for (const name of namesOf(minutes)) {
    const all = putTogether(latencies, name);
    const counted = minutes.flatMap(({ kinds }) => kinds[name] ?? []);
    const faults = counted.flatMap(({ unexpected }) => Object.values(unexpected));
    const of = (part: readonly Latencies[]) => {
      const sorted = putTogether(part, name);
      return `${ms(shareOf(sorted, 0.5))}, ${ms(shareOf(sorted, 0.99))}`;
    };
    lines.push(
      row([
        name,
        counted.reduce((sum, { asked }) => sum + asked, 0),
        faults.reduce((sum, count) => sum + count, 0),
        ...[0.5, 0.99, 1].map((share) => ms(shareOf(all, share))),
        of(latencies.slice(0, quarter)),
        of(latencies.slice(-quarter)),
      ]),
    );
  }
  return lines.join('\n');
}

export function writeVerdicts(verdicts: readonly Verdict[]): string {
  const lines = [row(['what', 'finding', 'because']), row(['---', '---', '---'])];
  return [...lines, ...verdicts.map(({ what, finding, because }) => row([what, finding, because]))].join(
    '\n',
  );
}

/** Resident; the processes of PostgreSQL share most of theirs, which would count dozens of times. */
function memoryOf({ groups }: Reading, name: GroupName): number {
  const { residentMb, proportionalMb = residentMb } = groups[name];
  return name === 'postgresql' ? proportionalMb : residentMb;
}

function liveOf(minutes: readonly Minute[], name: CollectedName): number {
  return medianOf(minutes.flatMap(({ held }) => held?.[name].liveMb ?? []));
}
