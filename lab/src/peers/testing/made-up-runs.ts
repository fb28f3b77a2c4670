/** Runs of services as if measured, for the tests of what is written about them. */
import { readMachine } from '../../result/machine.ts';
import type { ServiceRun, Task } from '../compare-services.ts';
import type { ServicesReport } from '../services-report.ts';

export const fullRate: Task = { name: 'me', ratePerS: null, connections: 50, hashes: false };
export const fixedRate: Task = { name: 'me', ratePerS: 600, connections: 50, hashes: false };
export const hashing: Task = { name: 'signup', ratePerS: null, connections: 4, hashes: true };

/** Of a sound service that had enough answers, none of them under way at the end unless told. */
export function makeRun(service: string, over: Partial<ServiceRun> = {}): ServiceRun {
  const { ratePerS = 1000, ok = 4000 } = over;
  return {
    service,
    section: 'All of them',
    task: fullRate,
    round: 0,
    durationS: ratePerS > 0 ? ok / ratePerS : 4,
    ratePerS,
    due: 4000,
    ok,
    failed: 0,
    meanUs: 1000,
    p90Us: 2000,
    p99Us: 3000,
    cpuUsPerRequest: 100,
    rssMb: 100,
    faults: [],
    ...over,
  };
}

/** Three rounds on a machine that is slower in each: `perRound` is what the first would have. */
export function makeRounds(service: string, perRound: Partial<ServiceRun> = {}): ServiceRun[] {
  return [1, 1.3, 1.7].map((drift, round) => {
    const { ratePerS, p99Us, cpuUsPerRequest } = makeRun(service, perRound);
    return makeRun(service, {
      ...perRound,
      round,
      ratePerS: ratePerS / drift,
      p99Us: p99Us === null ? null : p99Us * drift,
      cpuUsPerRequest: cpuUsPerRequest === null ? null : cpuUsPerRequest * drift,
    });
  });
}

export function makeReport(runs: readonly ServiceRun[], over: Partial<ServicesReport> = {}): ServicesReport {
  return {
    title: 'Made up',
    method: 'Nothing ran.',
    startedAt: '2026-01-01T00:00:00Z',
    machine: readMachine(),
    source: { sha: '0123456789abcdef', dirty: false },
    database: 'PostgreSQL 18',
    command: 'npx irontrack-lab peers',
    rounds: 3,
    runS: 4,
    facts: [],
    services: [...new Set(runs.map(({ service }) => service))].map((name) => ({ name, facts: [] })),
    caveats: ['Made up.'],
    runs,
    refusals: [],
    ...over,
  };
}
