/** The steps of the experiment as facts: each is the one before it with a single thing changed. */

/** What a service of the experiment does in which way. */
export interface Switches {
  /** `loop`: the hash is computed where requests are answered; `pool`: on libuv's threads. */
  hashing: 'loop' | 'pool';
  signing: 'rsa' | 'ed25519';
  /**
   * How the user of a request is read. `two`: every column, then the role; `pipelined` and `parallel`: the same two, sent
   * at once over one connection or over two; `one`: one join with the columns that are needed.
   */
  statements: 'two' | 'pipelined' | 'parallel' | 'one';
  userCache: boolean;
  tokenCache: boolean;
  /** `double`: walk the answer into plain values, then JSON.stringify; `compiled`: code made from the schema. */
  serialisation: 'double' | 'compiled';
  /** Argon2id lanes; each is a thread of its own. */
  lanes: number;
  /** One or two lines of JSON on standard output for each request. */
  log: boolean;
}

export interface Step {
  /** What changed, for tables. */
  title: string;
  /** One sentence for readers. */
  change: string;
  switches: Partial<Switches>;
}

export const baseline: Switches = {
  hashing: 'loop',
  signing: 'rsa',
  statements: 'two',
  userCache: false,
  tokenCache: false,
  serialisation: 'double',
  lanes: 1,
  log: false,
};

/** In the order they are applied; the index is the number of the step. */
export const steps: readonly Step[] = [
  {
    title: 'baseline',
    change:
      'Argon2id on the event loop, RSA-2048 signed twice a sign-in, two statements a request, double-pass JSON.',
    switches: {},
  },
  {
    title: 'hash off the loop',
    change: 'Passwords are hashed on the thread pool of libuv.',
    switches: { hashing: 'pool' },
  },
  {
    title: 'Ed25519',
    change: 'Tokens are signed and verified with Ed25519 instead of RSA-2048.',
    switches: { signing: 'ed25519' },
  },
  {
    title: 'one statement',
    change: 'One join reads the few columns that are needed, and a sign-up reads nothing back.',
    switches: { statements: 'one' },
  },
  {
    title: 'user cache',
    change: 'Users are kept in the process after their first request.',
    switches: { userCache: true },
  },
  {
    title: 'token cache',
    change: 'A token that was verified once is known until it expires.',
    switches: { tokenCache: true },
  },
  {
    title: 'compiled JSON',
    change: 'Answers are written by code that was made from their schema.',
    switches: { serialisation: 'compiled' },
  },
];

/**
 * Everything up to a step.
 *
 * @throws RangeError when there is no such step
 */
export function switchesOfStep(step: number): Switches {
  if (!Number.isInteger(step) || step < 0 || step >= steps.length) {
    throw new RangeError(`There is no step ${step}; they go from 0 to ${steps.length - 1}.`);
  }
  let switches = baseline;
  for (const { switches: changed } of steps.slice(0, step + 1)) switches = { ...switches, ...changed };
  return switches;
}
