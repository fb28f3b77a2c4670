import { pino } from 'pino';
import { Registry } from 'prom-client';
import { createAccessLog } from './access-log.ts';
import { LineWriter } from './line-writer.ts';
import { RequestHistogram } from './request-histogram.ts';
export async function openTelemetry({
  level,
  format,
  fd,
}: {
  level: string;
  format: 'json' | 'pretty';
  fd: number;
}) {
  const writer = new LineWriter({ fd });
  const log = pino({ level }, { write: (line: string) => writer.write(line) });
  const registry = new Registry();
  return {
    log,
    accessLog: createAccessLog({ writer, format, now: Date.now }),
    metrics: {
      requests: new RequestHistogram(registry),
      hashWaited: (_ms: number) => undefined,
      limiterRefused: (_a: string, _b: string) => undefined,
      refreshReused: () => undefined,
      observe: (_x: object) => undefined,
      page: registry,
    },
    close: async () => writer.flushSync(),
  };
}
export type Telemetry = Awaited<ReturnType<typeof openTelemetry>>;
