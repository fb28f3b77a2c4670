/** What a server that stands still for a while in each period truly does to its clients, by arithmetic alone. */
import { createHistogram, type Histogram } from '../stats/histogram.ts';

export interface StallingServer {
  periodMs: number;
  /** The server stands still for this long at the start of each period. */
  stallMs: number;
  /** What one answer costs it; only this much is served at a time, first in first out. */
  serviceUs: number;
}

/**
 * Response times, from when each request was due, of `ratePerS` evenly spaced requests over `durationS`. A request that
 * comes while the server stands still waits for it and for all that came before.
 */
export function simulateStalls(server: StallingServer, ratePerS: number, durationS: number): Histogram {
  const periodUs = server.periodMs * 1000;
  const stallUs = server.stallMs * 1000;
  const response = createHistogram();
  let freeAtUs = 0;
  for (let number = 0; number < ratePerS * durationS; number++) {
    const dueUs = (number * 1e6) / ratePerS;
    let startUs = Math.max(dueUs, freeAtUs);
    const intoPeriodUs = startUs % periodUs;
    if (intoPeriodUs < stallUs) startUs += stallUs - intoPeriodUs;
    freeAtUs = startUs + server.serviceUs;
    response.record(freeAtUs - dueUs);
  }
  return response;
}
