/** What several nodes share in Valkey: counts for the limits. Everything in it can be lost at any time. */
import type { Clock } from '../../clock.ts';
import type { ValkeyAddress } from '../../config-fields.ts';
import type { Counters } from '../counters.ts';
import { createMemoryCounters } from '../memory-counters.ts';
import { createValkeyCounters } from './counters.ts';
import { createValkeyLink } from './link.ts';
import { createValkeyNames, type ValkeyNames } from './names.ts';

export interface Valkey {
  /** Counted by all nodes together; by this process alone while Valkey is away. */
  readonly counters: Counters;
  readonly state: ValkeyState;
  /** A round trip. */
  probe(): Promise<boolean>;
  /** Connects. A server that is away is no failure: it is tried again. @param secret of the installation, 32 bytes */
  open(secret: Buffer): Promise<void>;
  close(): Promise<void>;
}

/** What metrics show. */
export interface ValkeyState {
  readonly isUp: boolean;
  readonly losses: number;
  /** Decisions by who counted for them. */
  readonly counted: { readonly valkey: number; readonly process: number };
}

interface Needs {
  address: ValkeyAddress;
  clock: Clock;
  /** Told once when Valkey is away, and once when it is back. */
  onChange: (isUp: boolean, reason: string) => void;
}

export function createValkey({ address, clock, onChange }: Needs): Valkey {
  const link = createValkeyLink({ address, onChange });
  const counted = { valkey: 0, process: 0 };
  let names: ValkeyNames | undefined;
  return {
    counters: createValkeyCounters({
      link,
      names: () => names,
      local: createMemoryCounters(clock),
      onCounted: (where) => {
        counted[where] += 1;
      },
    }),
    state: {
      get isUp() {
        return link.isUp;
      },
      get losses() {
        return link.losses;
      },
      counted,
    },
    probe: async () => (await link.run(['PING'])) === 'PONG',
    async open(secret) {
      names = createValkeyNames(secret);
      await link.open(`${names.prefix}:news`);
    },
    close: link.close,
  };
}
