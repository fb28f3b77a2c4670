import { type Config, readConfig } from '../config.ts';
import { lowerHashPriority } from '../crypto/hash-priority.ts';
import type { Lifecycle } from '../system/system.ts';
import { openTelemetry, type Telemetry } from '../telemetry/telemetry.ts';
import { createPrimaryAdministrator } from './administrator.ts';
import type { Command } from './command.ts';
import { removeDeadSocket } from './listen-errors.ts';
import { announceServing, type Closing, openService, prepareDatabase, warnOfSettings } from './serving.ts';
import type { SupervisingNeeds } from './supervise-workers.ts';

export const serve: Command = {
  summary: 'Serve HTTP until SIGTERM or SIGINT, with the embedded PostgreSQL unless DATABASE_URL is set.',
  options: {},
  async run(_values, context) {
    const config = readConfig(context.environment, context.stdout.isTTY === true);
    const { workers } = config;
    let restart: () => void = () => undefined;
    const asked = workers === 1 ? context.untilSignal() : context.untilSignal(() => restart());
    const telemetry = await openTelemetry({ ...config.log, fd: 1, sharesFd: workers > 1 });
    // What was opened is closed in reverse, whether it was serving or failed half-way.
    const closers: (() => Promise<void>)[] = [telemetry.close];
    const closing: Closing = (close) => closers.unshift(close);
    const onRestart = (begin: () => void) => {
      restart = begin;
    };
    try {
      const started =
        workers === 1
          ? startServing(config, telemetry, closing)
          : supervise({ config, telemetry, closing, onRestart });
      // A start may hang (a lock, a network folder), and must then still be ended by a signal.
      await Promise.race([started, asked]);
      started.catch(() => undefined);
      const reason = await asked;
      telemetry.log.info({ reason }, 'Draining: open requests are finished, new connections are refused.');
    } finally {
      for (const close of closers) await close();
    }
    context.exit();
  },
};

/** Loaded on demand: one process needs nothing of it. */
async function supervise(needs: SupervisingNeeds): Promise<void> {
  const { superviseWorkers } = await import('./supervise-workers.ts');
  await superviseWorkers(needs);
}

async function startServing(config: Config, telemetry: Telemetry, closing: Closing): Promise<void> {
  const lifecycle: Lifecycle = { state: 'starting' };
  warnOfSettings(config, telemetry);
  const database = await prepareDatabase(config, telemetry, closing);
  if ('path' in config.listen) await removeDeadSocket(config.listen.path);
  const { service, address } = await openService({ config, database, telemetry }, lifecycle, closing);
  // After listening: a port in use must not cost the one chance to show the password.
  const administrator = await createPrimaryAdministrator(config, database.address);
  lifecycle.state = 'serving';
  announceServing(telemetry, address, administrator);
  await lowerHashPriority();
  await service.warmUp();
}
