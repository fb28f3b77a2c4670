/** Whether a closed loop found the limit of the service, or only that of the load. */
import type { LaneReading } from '../result/result.ts';
import { meanOf } from './summary.ts';

/** A core that is busy for less than this has room. */
const leastBusy = 0.95;

/**
 * @param serverCores numbers of the cores that the service has to itself
 * @returns mean busy share of them, 0 to 1, when it is so low that the service could have done more
 */
export function findIdleShare(
  lanes: readonly Pick<LaneReading, 'cores'>[],
  serverCores: readonly number[],
): number | undefined {
  const shares = lanes.flatMap(({ cores }) => serverCores.map((core) => cores[core] ?? 0));
  if (shares.length === 0) return undefined;
  const busy = meanOf(shares);
  return busy < leastBusy ? busy : undefined;
}
