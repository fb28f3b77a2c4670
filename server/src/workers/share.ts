/**
 * One worker's share of a number that all workers of a node have together: total / workers rounded down, and one more for
 * the first (total mod workers) of them; at least one. So the shares add up to the total wherever it is not below the
 * number of workers.
 */
export function shareOf(total: number, workers: number, place: number): number {
  return Math.max(1, Math.floor(total / workers) + (place < total % workers ? 1 : 0));
}
