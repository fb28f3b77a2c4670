import { systemClock } from '../clock.ts';
import { listenForChanges } from '../database/announcements.ts';
import { type Database, openDatabase } from '../database/database.ts';
import { openTelemetry } from '../telemetry/telemetry.ts';
import { createWebhooks } from '../webhooks/webhooks.ts';
import type { Command } from './command.ts';
import { findStatementRoute, withDatabase } from './database-access.ts';
import { openWorkerProbes } from './worker-probes.ts';

/** One claims, one writes results, one tells workers; more would only wait. */
export const deliveryConnections = 3;

export const worker: Command = {
  summary: 'Deliver webhooks until SIGTERM or SIGINT, beside a server with WEBHOOK_WORKER=off or to help it.',
  options: {},
  async run(_values, context) {
    const asked = context.untilSignal();
    await withDatabase(context, async ({ config, address, directAddress }) => {
      const { level, format } = config.log;
      const { log, print, metrics, close: closeTelemetry } = await openTelemetry({ level, format, fd: 1 });
      const { prepares } = await findStatementRoute(config.database, { address, directAddress });
      const { timeoutMs } = config.database;
      const database = openDatabase({ address, poolSize: deliveryConnections, timeoutMs, prepares });
      const webhooks = createWebhooks({
        database,
        clock: systemClock,
        random: Math.random,
        ...config.webhooks,
        onAttempt: metrics.deliveryAttempted,
        onFailure: (error) => log.error({ err: error }, 'Webhooks cannot be delivered at the moment.'),
      });
      let isDraining = false;
      const { host, metricsPort } = config.worker;
      metrics.observeDeliveries(webhooks);
      const probes =
        metricsPort === undefined
          ? undefined
          : await openWorkerProbes({
              host,
              port: metricsPort,
              metrics: metrics.page,
              isReady: async () => !isDraining && (await answers(database)),
            });
      const announcements = await listenForChanges(directAddress, {
        changed(topic) {
          if (topic === 'deliveries') webhooks.wake();
        },
        // What it does not hear it finds by itself, a little later.
        disconnected: () => undefined,
        connected: () => webhooks.wake(),
      });
      webhooks.start();
      print('IronTrack delivers webhooks');
      if (probes !== undefined) print(`Metrics and health: ${probes.url}`);
      const reason = await asked;
      isDraining = true;
      log.info({ reason }, 'Draining: deliveries under way are finished, no others begun.');
      await webhooks.close();
      await announcements.close();
      await database.close();
      // Last, so that how it drains can be watched.
      await probes?.close();
      await closeTelemetry();
    });
    context.exit();
  },
};

async function answers({ sql }: Database): Promise<boolean> {
  try {
    await sql`select 1`;
    return true;
  } catch {
    return false;
  }
}
