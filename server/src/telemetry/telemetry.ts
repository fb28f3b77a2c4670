import { setTimeout } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type AccessLog, createAccessLog } from './access-log.ts';
import { LineWriter } from './line-writer.ts';
import { type LogFormat, openLog } from './log.ts';
import { type Metrics, openMetrics } from './metrics.ts';

const longestCloseMs = 2000;

/** What a process says about itself. */
export interface Telemetry {
  log: Logger;
  /** Undefined when the level is above info: then requests leave no lines. */
  accessLog: AccessLog | undefined;
  metrics: Metrics;
  /** Writes a plain line for the person who started the process, in order with the lines of the log. */
  print(line: string): void;
  /** Writes out what is left; nothing may be logged afterwards. */
  close(): Promise<void>;
}

interface TelemetryOptions {
  /** One of pino's levels, or `silent`. */
  level: string;
  format: LogFormat;
  /** Where the lines go: 1 is standard output. Nothing else may write there. */
  fd: number;
  /** Other processes of ours write there too: lines stay whole. */
  sharesFd?: boolean;
}

/** Opens log and metrics of the process. Lines that wait when it exits are written by an exit listener. */
export async function openTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const { level, format, fd, sharesFd = false } = options;
  const writer = new LineWriter({
    fd,
    sharesFd,
    describeDropped: (count) =>
      format === 'json'
        ? `{"level":40,"time":${Date.now()},"droppedLines":${count},"msg":"Log lines were dropped."}\n`
        : `${count} log lines were dropped: whoever reads them is too slow.\n`,
  });
  const log = await openLog(level, format, writer);
  const metrics = openMetrics(writer);
  const flush = () => writer.flushSync();
  process.on('exit', flush);
  return {
    log,
    accessLog: log.isLevelEnabled('info')
      ? createAccessLog({ writer, format, now: () => Date.now() })
      : undefined,
    metrics,
    print: (line) => writer.write(`${line}\n`),
    async close() {
      metrics.close();
      // A reader that has stopped reading must not keep the process from ending.
      await Promise.race([writer.drain(), setTimeout(longestCloseMs, undefined, { ref: false })]);
      writer.flushSync();
      process.off('exit', flush);
    },
  };
}
