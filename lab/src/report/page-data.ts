/** What the page's script gets to draw: plain numbers, columns ready for the charts. Shapes only, shared with the browser. */

/** Columns of one length; null where nothing was seen. */
export type Column = (number | null)[];

export interface StallMark {
  startS: number;
  lengthMs: number;
  requestsHurt: number | null;
  /** Innermost frame, "" without a profile. */
  frame: string;
}

export interface SideData {
  /** "" for a single result, else "before", "after" or the names of the sides. */
  label: string;
  percentiles: {
    /** Number of nines: 1 is 90 %, 2 is 99 %. */
    nines: number[];
    responseUs: Column;
    serviceUs: Column;
  };
  series: {
    second: number[];
    okPerS: Column;
    failedPerS: Column;
    p50Us: Column;
    p99Us: Column;
    maxUs: Column;
  };
  lanes: {
    atS: number[];
    serverCpu: Column;
    /** Busy share of all cores, 0 to 1. */
    machine: Column;
    runQueueMsPerS: Column;
  } | null;
  stalls: StallMark[];
}

export interface KneeData {
  ratePerS: number[];
  p50Us: Column;
  p99Us: Column;
  met: boolean[];
  sloUs: number;
  kneePerS: number | null;
}

export interface PageData {
  sides: SideData[];
  knee: KneeData | null;
}
