/** Which cores the service, PostgreSQL and the generator of an experiment get. */
import { formatCores, planCores } from '../load/pinning.ts';

/** As `taskset -c` takes them; null is not pinned. */
export interface Placement {
  server: string | null;
  database: string | null;
  generator: string | null;
}

/**
 * The generator always has a core of its own. PostgreSQL has one from three cores on and else shares the service's: on
 * the generator's it would make the clock late. The service has one, from four cores on two.
 *
 * @throws LabError as planCores does
 */
export function placeAll(
  allowed: readonly number[],
  pin: string | undefined,
  isPossible: boolean,
): Placement {
  const { server, generator } = planCores(allowed, pin, { canPin: isPossible });
  if (server === null || generator === null) return { server: null, database: null, generator: null };
  const others = allowed.slice(0, -1);
  if ((pin ?? 'auto') !== 'auto' || others.length < 2) return { server, database: server, generator };
  const count = others.length > 2 ? 2 : 1;
  return {
    server: formatCores(others.slice(0, count)),
    database: formatCores(others.slice(count, count + 1)),
    generator,
  };
}
