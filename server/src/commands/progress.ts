import type { CommandContext } from './command.ts';

interface Progress {
  /** @param done how many of the total so far */
  show(done: number): void;
  /** Leaves the terminal as it was found. */
  clear(): void;
}

const barWidth = 30;
const drawEveryMs = 100;
const sayEveryMs = 5_000;

/**
 * A bar on a terminal; elsewhere a plain line every few seconds, so that a log of a short run stays empty.
 *
 * @param what is counted, such as `rows`
 * @param now a monotonic clock in milliseconds
 */
export function createProgress(
  stream: Pick<CommandContext['stderr'], 'isTTY' | 'write'>,
  what: string,
  total: number,
  now: () => number,
): Progress {
  const startedAt = now();
  const isTerminal = stream.isTTY === true;
  let shownAt = isTerminal ? Number.NEGATIVE_INFINITY : startedAt;

  function describe(done: number): string {
    const seconds = Math.max((now() - startedAt) / 1_000, 0.001);
    const share = total === 0 ? 1 : Math.min(done / total, 1);
    return (
      `${String(Math.floor(share * 100)).padStart(3)} %  ${formatCount(done)} of ${formatCount(total)} ${what}, ` +
      `${formatCount(Math.round(done / seconds))} a second`
    );
  }

  return {
    show(done) {
      if (now() - shownAt < (isTerminal ? drawEveryMs : sayEveryMs)) return;
      shownAt = now();
      if (!isTerminal) {
        stream.write(`${describe(done).trimStart()}\n`);
        return;
      }
      const filled = total === 0 ? barWidth : Math.min(Math.round((done / total) * barWidth), barWidth);
      stream.write(`\r[${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}] ${describe(done)}\x1b[K`);
    },
    clear() {
      if (isTerminal) stream.write('\r\x1b[K');
    },
  };
}

/** 1234567 as 1,234,567, whatever the locale. */
export function formatCount(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}
