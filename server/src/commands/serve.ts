import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createService, type Service } from '../app.ts';
import { systemClock } from '../clock.ts';
import { type Config, readConfig } from '../config.ts';
import { lowerHashPriority } from '../crypto/hash-priority.ts';
import { isBelowOwaspMinimum } from '../crypto/password-hash.ts';
import { migrate } from '../database/migrations.ts';
import { requireConnections } from '../database/pool-size.ts';
import type { App } from '../http/app.ts';
import type { Lifecycle } from '../system/system.ts';
import { openTelemetry, type Telemetry } from '../telemetry/telemetry.ts';
import { createPrimaryAdministrator } from './administrator.ts';
import type { Command } from './command.ts';
import { findStatementRoute, openDatabaseAccess } from './database-access.ts';
import { createFirstCatalog } from './first-catalog.ts';
import { explainListening, removeDeadSocket } from './listen-errors.ts';
import { loadSigningKey } from './signing-key.ts';

export const serve: Command = {
  summary: 'Serve HTTP until SIGTERM or SIGINT, with the embedded PostgreSQL unless DATABASE_URL is set.',
  options: {},
  async run(_values, context) {
    const asked = context.untilSignal();
    const config = readConfig(context.environment, context.stdout.isTTY === true);
    const telemetry = await openTelemetry({
      level: config.log.level,
      format: config.log.format,
      fd: 1,
    });
    // What was opened is closed in reverse, whether it was serving or failed half-way.
    const closers: (() => Promise<void>)[] = [telemetry.close];
    try {
      const started = startServing(config, telemetry, (close) => closers.unshift(close));
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

async function startServing(
  config: Config,
  telemetry: Telemetry,
  closing: (close: () => Promise<void>) => void,
): Promise<void> {
  const { log, print } = telemetry;
  const lifecycle: Lifecycle = { state: 'starting' };
  if (isBelowOwaspMinimum(config.hashing.parameters)) {
    log.warn('The Argon2id parameters are below the minimum that OWASP recommends. For tests only.');
  }
  if ('path' in config.listen && !config.trustedProxies.includes('unix')) {
    log.warn(
      'Requests on a Unix socket have no address: set TRUSTED_PROXIES=unix, or attempts are limited by account alone.',
    );
  }
  const database = await openDatabaseAccess(config, 'refuse', (sentence) => log.warn(sentence));
  closing(database.stop);
  const applied = await migrate(database.directAddress);
  if (applied.length > 0) log.info({ migrations: applied }, 'The schema was brought up to date.');
  const route = await findStatementRoute(config.database, database);
  // Behind a pooler the connections of the pool are the pooler's, which counts them by itself.
  await requireConnections(database.directAddress, route.isPooled ? 0 : config.database.poolSize);
  const filled = await createFirstCatalog(database.address, config.database.timeoutMs);
  if (filled !== undefined)
    log.info({ added: filled }, 'The exercise catalog was empty and has been filled.');

  const service = await createService({
    config,
    database: { ...database, prepares: route.prepares },
    telemetry,
    loadSigningKey: () => loadSigningKey(config),
    lifecycle,
    clock: systemClock,
    randomBytes,
  });
  closing(async () => {
    lifecycle.state = 'draining';
    await drain(service);
  });
  await service.open();
  const address = await listen(service.app, config);
  // After listening: a port in use must not cost the one chance to show the password.
  const administrator = await createPrimaryAdministrator(config, database.address);
  lifecycle.state = 'serving';

  print(`IronTrack serves on ${address}`);
  print(`Documentation: ${address}/docs`);
  if (administrator !== undefined) print(`Administrator: ${administrator.email}`);
  if (administrator?.oneTimePassword !== undefined) {
    print(`Password, shown this once: ${administrator.oneTimePassword}`);
  }
  await lowerHashPriority();
  await service.warmUp();
}

/** Open requests get this long; what is still open then is cut off. */
const longestDrainMs = 30_000;

async function drain(service: Service): Promise<void> {
  const cutOff = setTimeout(() => service.app.server.closeAllConnections(), longestDrainMs);
  await service.close();
  clearTimeout(cutOff);
}

/** @returns the address to show: a URL, or the path of the socket */
async function listen(app: App, config: Config): Promise<string> {
  const target = config.listen;
  try {
    if ('path' in target) {
      await removeDeadSocket(target.path);
      await app.listen({ path: target.path });
      return `unix:${target.path}`;
    }
    await app.listen({ host: target.host, port: target.port });
  } catch (error) {
    throw explainListening(error, config);
  }
  const address = app.server.address();
  const { port } = isInternetAddress(address) ? address : { port: target.port };
  return `http://${target.host.includes(':') ? `[${target.host}]` : target.host}:${port}`;
}

function isInternetAddress(address: string | AddressInfo | null): address is AddressInfo {
  return typeof address === 'object' && address !== null;
}
