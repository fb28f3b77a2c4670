/** What the generator's process and the process that started it tell each other, as JSON. */
import type { ExitStatus } from '../exit-status.ts';
import type { RunMeasurement } from '../result/result.ts';
import type { GeneratorOptions, Phase, Progress } from './generator.ts';

export type ToGenerator =
  | { kind: 'open'; options: GeneratorOptions }
  | { kind: 'run'; phase: Phase }
  /** Ends a running phase, tears the scenario down and ends the process. */
  | { kind: 'close' };

export type FromGenerator =
  | { kind: 'opened' }
  | { kind: 'progress'; progress: Progress }
  | { kind: 'measured'; run: RunMeasurement }
  | { kind: 'closed' }
  | { kind: 'failed'; status: ExitStatus; sentence: string };
