/** Tells people what is being done now: one living line on a terminal, plain lines anywhere else. */
import type { Progress } from '../load/generator.ts';
import type { LabContext } from './lab-command.ts';

export interface Narrator {
  say(line: string): void;
  /** Once a second while a run is under way. */
  showProgress(run: number, progress: Progress): void;
  /** Ends the living line. */
  done(): void;
}

/** Results go to stdout, so that they can be piped; what happens meanwhile goes to stderr. */
export function createNarrator({ stderr }: LabContext): Narrator {
  const living = stderr.isTTY === true;
  let open = false;
  let lastRun = 0;
  const end = () => {
    if (open) stderr.write('\n');
    open = false;
  };
  return {
    say(line) {
      end();
      stderr.write(`${line}\n`);
    },
    showProgress(run, progress) {
      const line = `Run ${run}: ${describe(progress)}`;
      if (living) {
        stderr.write(`\r\x1b[K${line}`);
        open = true;
      } else if (run !== lastRun) {
        stderr.write(`Run ${run} started.\n`);
      }
      lastRun = run;
    },
    done: end,
  };
}

function describe({ second, ok, failed, p50Us, p99Us }: Progress): string {
  const milliseconds = (us: number | null) => (us === null ? '-' : (us / 1000).toFixed(2));
  const failures = failed > 0 ? `, ${failed} failed` : '';
  return `${second} s, ${ok} answers/s${failures}, P50 ${milliseconds(p50Us)} ms, P99 ${milliseconds(p99Us)} ms`;
}
