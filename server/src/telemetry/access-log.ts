/** The one line a request leaves behind, composed by hand: pino.info() a request halves what /ping can serve. */

/** The part of a line that is the same for every request of one method, route and status. */
export type AccessLinePart = string;

export interface AccessLog {
  /**
   * Composes the constant part of a line, escaped; called once per method, route and status.
   *
   * @param route the pattern (`/users/:id`), never the path that was asked for: paths hold e-mail addresses
   */
  prepare(method: string, route: string, status: number): AccessLinePart;
  /**
   * Writes the line of one request that was answered, or given up by its client.
   *
   * @param requestId a checked token (`isRequestId`): it is not escaped again
   * @param durationMs milliseconds since the request was read
   * @param userId who asked, when that is known
   */
  write(part: AccessLinePart, requestId: string, durationMs: number, userId: string | undefined): void;
}

interface AccessLogOptions {
  /** Takes a line with its newline. */
  writer: { write(line: string): void };
  format: 'json' | 'pretty';
  /** Milliseconds since the epoch. */
  now: () => number;
}

// Thousandths as text, looked up: a table read is a tenth of toFixed(3).
const thousandths = Array.from({ length: 1000 }, (_, value) => `.${String(value).padStart(3, '0')}`);
const needsNoEscape = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** Makes the access log of the process, in the format its other lines have. */
export function createAccessLog(options: AccessLogOptions): AccessLog {
  return options.format === 'json' ? createJsonLog(options) : createPrettyLog(options);
}

function createJsonLog({ writer, now }: AccessLogOptions): AccessLog {
  let lastTime = 0;
  let opening = '';
  return {
    prepare: (method, route, status) =>
      `","method":${toJson(method)},"route":${toJson(route)},"status":${status},"durationMs":`,
    write(part, requestId, durationMs, userId) {
      const time = now();
      if (time !== lastTime) {
        // Up to a hundred requests share a millisecond, and a 13-digit number is slow to print.
        lastTime = time;
        opening = `{"level":30,"time":${time},"requestId":"`;
      }
      const ending = userId === undefined ? '}\n' : `,"userId":${toJson(userId)}}\n`;
      writer.write(opening + requestId + part + formatMs(durationMs) + ending);
    },
  };
}

function createPrettyLog({ writer, now }: AccessLogOptions): AccessLog {
  const dim = (text: string) => `\x1b[2m${text}\x1b[22m`;
  return {
    prepare: (method, route, status) => {
      const color = status >= 500 ? 31 : status >= 400 ? 33 : 32;
      return `${method} ${toJson(route).slice(1, -1)} \x1b[${color}m${status}\x1b[39m`;
    },
    write(part, requestId, durationMs, userId) {
      const time = new Date(now()).toISOString().slice(11, 23);
      const who = userId === undefined ? '' : ` ${toJson(userId).slice(1, -1)}`;
      writer.write(`${dim(time)} ${part} ${formatMs(durationMs)} ms ${dim(requestId + who)}\n`);
    },
  };
}

/** Milliseconds with three decimals, as `(12.3).toFixed(3)` prints them but for the rounding, which is down. */
function formatMs(durationMs: number): string {
  // A clock that was set back, or a request of 25 days, must not overflow the integer arithmetic below.
  const micros = durationMs >= 0 && durationMs < 2_000_000 ? (durationMs * 1000) | 0 : 0;
  if (micros === 0) return durationMs > 1 ? durationMs.toFixed(3) : '0.000';
  const whole = (micros / 1000) | 0;
  return whole + (thousandths[micros - whole * 1000] ?? '');
}

function toJson(text: string): string {
  return needsNoEscape.test(text) ? `"${text}"` : JSON.stringify(text);
}
