/** What `reproduce` measures: loads, the variants of each, how long each takes; pure facts and arithmetic. */
import { steps } from '../../experiments/auth/steps.ts';

/** One server to measure: a step of the experiment, one with a switch changed, or our own service. */
export interface Variant {
  /** Unique; letters, digits and hyphens, as it becomes part of file names. */
  id: string;
  /** What people see. */
  label: string;
  /** Options of the experiment's main.ts; null for our own service. */
  options: readonly string[] | null;
  /** Whether a request log is written, to where it costs nothing to throw it away. */
  log: boolean;
}

/** One load on several variants, measured in turn round by round, so that what drifts hits all alike. */
export interface Group {
  id: string;
  title: string;
  /** File in experiments/auth/scenarios, or in scenarios for those that need no account. */
  scenario: string;
  /** Requests a second; null for a closed loop: as much as it can do. */
  ratePerS: number | null;
  connections: number;
  /** Password hashes: few and slow requests, which need longer runs. */
  isHashing: boolean;
  /** How many times the plan's length a run takes; 1 unless told. */
  longer?: number;
  variants: readonly Variant[];
  /** Variants that get a pass with a CPU profile. */
  profiled: readonly string[];
}

export interface Plan {
  isQuick: boolean;
  groups: readonly Group[];
  /** Measured runs of each variant. */
  rounds: number;
  /** Of a run, in seconds. */
  runS: { hashing: number; other: number };
  warmupS: number;
  /** Load before each run while nothing is measured: the others have had the machine. */
  settleS: number;
  profileS: number;
  /** Of each piece measured alone; null leaves them out. */
  pieceS: number | null;
}

/** Starting a service, its set-up, opening and closing. Measured: 1 to 2 s; our own makes no tables twice. */
const openS = 1.8;
/** Around the seconds of a profile: opening the inspector, reading the samples, drawing. */
const aroundProfileS = 1.5;
const closeS = 0.4;
/** PostgreSQL made and started, reports written. */
const aroundAllS = 15;
/** What `pieces.ts` has. */
const pieceCount = 11;

const own: Variant = { id: 'own', label: 'our server', options: null, log: true };
const ownQuiet: Variant = { id: 'own-quiet', label: 'our server, no log', options: null, log: false };

const byStep: readonly Variant[] = steps.map(({ title }, step) => ({
  id: `step-${step}`,
  label: `${step} ${title}`,
  options: ['--step', String(step)],
  log: false,
}));
const last = steps.length - 1;

function variantsOf(chosen: readonly number[], isQuick: boolean): Variant[] {
  return [...byStep.filter((_, step) => !isQuick || chosen.includes(step)), own];
}

function changed(id: string, label: string, step: number, ...options: string[]): Variant {
  const log = options.includes('--log');
  return { id, label, options: ['--step', String(step), ...options], log };
}

/**
 * Every load with its variants. A quick one leaves out the steps that do not touch what a load asks for; the full one
 * measures them too, where they show that nothing changed.
 */
export function makePlan({ isQuick }: { isQuick: boolean }): Plan {
  const hashing = { connections: 4, isHashing: true };
  const reading = { connections: 4, isHashing: false };
  const lanes = [changed('lanes-1', '1 lane', 2), changed('lanes-4', '4 lanes', 2, '--lanes', '4')];
  const both = [changed('quiet', '6 without log', last), changed('logged', '6 with log', last, '--log')];
  const groups: Group[] = [
    {
      id: 'signup',
      title: 'Sign-up, 5/s',
      scenario: 'signup.ts',
      ratePerS: 5,
      ...hashing,
      variants: variantsOf([0, 1], isQuick),
      profiled: ['step-0', 'step-1'],
    },
    {
      id: 'signin',
      title: 'Sign-in, 3/s',
      scenario: 'signin.ts',
      ratePerS: 3,
      ...hashing,
      variants: variantsOf([0, 1, 2], isQuick),
      profiled: ['step-0', 'step-1', 'step-2'],
    },
    {
      id: 'signin-max',
      title: 'Sign-in, to the limit',
      scenario: 'signin.ts',
      ratePerS: null,
      ...hashing,
      variants: variantsOf([0, 1, 2], isQuick),
      profiled: [],
    },
    {
      id: 'bystander',
      title: 'Pings at 195/s beside sign-ups at 5/s',
      scenario: 'bystander.ts',
      ratePerS: 200,
      ...hashing,
      connections: 40,
      variants: variantsOf([0, 1], isQuick),
      profiled: [],
    },
    {
      id: 'me',
      title: 'Me, 600/s',
      scenario: 'me.ts',
      ratePerS: 600,
      ...reading,
      variants: [
        ...variantsOf([0, 2, 3, 4, 5, 6], isQuick),
        changed('me-logged', '6 with log', last, '--log'),
      ],
      profiled: ['step-0', 'step-2', 'step-3', 'step-4', 'step-5', 'own'],
    },
    {
      id: 'me-max',
      title: 'Me, to the limit',
      scenario: 'me.ts',
      ratePerS: null,
      ...reading,
      variants: variantsOf([0, 2, 3, 4, 5], isQuick),
      profiled: [],
    },
    {
      id: 'list',
      title: 'List of 50 exercises, 600/s',
      scenario: 'exercises.ts',
      ratePerS: 600,
      ...reading,
      connections: 6,
      variants: variantsOf([5, 6], isQuick),
      profiled: ['step-5', 'step-6', 'own'],
    },
    {
      id: 'ping',
      title: 'Ping with and without the request log, 1,000/s',
      scenario: 'ping.ts',
      ratePerS: 1000,
      ...reading,
      connections: 10,
      variants: [...both, ownQuiet, own],
      profiled: ['logged'],
    },
    {
      id: 'lanes',
      title: 'Sign-in to the limit, 1 and 4 Argon2id lanes',
      scenario: 'signin.ts',
      ratePerS: null,
      ...hashing,
      // Some fifteen whole sign-ins in a run would make steps of 7 %.
      longer: 2,
      variants: lanes,
      profiled: [],
    },
    {
      id: 'statements',
      title: 'Me to the limit, two statements sent in three ways',
      scenario: 'me.ts',
      ratePerS: null,
      ...reading,
      // What is asked here is a difference of a few per cent.
      longer: 2,
      variants: [
        changed('one-by-one', 'one after the other', 2),
        changed('pipelined', 'pipelined on one connection', 2, '--statements', 'pipelined'),
        changed('parallel', 'parallel on two connections', 2, '--statements', 'parallel'),
      ],
      profiled: [],
    },
  ];
  return isQuick
    ? {
        isQuick,
        groups,
        // Five short rounds tell more than three long ones: the interval of three is half as wide again for that alone.
        rounds: 5,
        runS: { hashing: 1.8, other: 0.9 },
        warmupS: 1,
        settleS: 0.2,
        profileS: 2,
        pieceS: 0.5,
      }
    : {
        isQuick,
        groups,
        rounds: 5,
        runS: { hashing: 10, other: 5 },
        warmupS: 4,
        settleS: 0.5,
        profileS: 10,
        pieceS: 2,
      };
}

export function runSecondsOf(plan: Plan, group: Group): number {
  return (group.isHashing ? plan.runS.hashing : plan.runS.other) * (group.longer ?? 1);
}

/** How long all of it takes, in seconds, when nothing is done yet. */
export function estimateSeconds(plan: Plan): number {
  const groups = plan.groups.map((group) => estimateGroup(plan, group));
  // Two of the pieces are hashes, of which at least five rounds are measured.
  return aroundAllS + pieceCount * (plan.pieceS ?? 0) + groups.reduce((sum, seconds) => sum + seconds, 0);
}

function estimateGroup(plan: Plan, group: Group): number {
  const profiled = group.variants.filter(({ id }) => group.profiled.includes(id)).length;
  const runs = plan.rounds * (plan.settleS + runSecondsOf(plan, group) + 0.1);
  return (
    group.variants.length * (openS + plan.warmupS + runs + closeS) +
    profiled * (plan.profileS + aroundProfileS)
  );
}

/** Every measurement the plan asks for, as the keys of the state file. */
export function countCells(plan: Plan): number {
  return plan.groups.reduce(
    (sum, { variants, profiled }) =>
      sum + variants.length * plan.rounds + variants.filter(({ id }) => profiled.includes(id)).length,
    Number(plan.pieceS !== null),
  );
}
