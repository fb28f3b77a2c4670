/** The load generator as the commands see it: a process of its own, on a core of its own where there is one. */
import type { LoadShape, RunMeasurement } from '../result/result.ts';

/** What to load; all of it can be sent to another process. */
export interface GeneratorOptions {
  url: string;
  /** Unix socket to connect to; the URL then only gives host and path. */
  socketPath?: string;
  /** IP address from the address guard; without it the host is resolved once more. */
  address?: string;
  /** Accept any TLS certificate. */
  insecure: boolean;
  /** The one request, unless a scenario is given. */
  request?: {
    method: string;
    headers: Readonly<Record<string, string>>;
    body: string;
    /** 200 to 299 unless told. */
    expect?: readonly number[];
  };
  /** Path of a scenario file. */
  scenarioPath?: string;
  seed: number;
  load: LoadShape;
  /** Bodies over this are counted as too-large and their connection is closed. */
  maxBodyBytes: number;
}

export interface Phase {
  durationS: number;
  /** Requests a second; null for a closed loop. */
  ratePerS: number | null;
}

/** Once a second while a phase runs. */
export interface Progress {
  second: number;
  due: number;
  ok: number;
  failed: number;
  p50Us: number | null;
  p99Us: number | null;
}

export interface Generator {
  pid: number;
  /** Opens the connections afresh, runs one phase and closes them. */
  run(phase: Phase, onProgress?: (progress: Progress) => void): Promise<RunMeasurement>;
  /** Runs the scenario's tear-down and ends the process. */
  close(): Promise<void>;
}
