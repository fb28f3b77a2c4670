/** The steps of serving: one process takes them all, with several workers the supervisor takes the first ones. */
import { randomBytes } from 'node:crypto';
import net, { type AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { createService, type Service, type ServiceSettings } from '../app.ts';
import { systemClock } from '../clock.ts';
import type { Config } from '../config.ts';
import { isBelowOwaspMinimum } from '../crypto/password-hash.ts';
import { migrate } from '../database/migrations.ts';
import { extraConnections, requireConnections } from '../database/pool-size.ts';
import type { App } from '../http/app.ts';
import type { Lifecycle } from '../system/system.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { createPrimaryAdministrator } from './administrator.ts';
import { findReplica, findStatementRoute, openDatabaseAccess } from './database-access.ts';
import { createFirstCatalog } from './first-catalog.ts';
import { explainListening } from './listen-errors.ts';
import { loadSigningKey } from './signing-key.ts';

/** Takes what to close at the end, the last one first. */
export type Closing = (close: () => Promise<void>) => void;

export function warnOfSettings(config: Config, { log }: Telemetry): void {
  if (isBelowOwaspMinimum(config.hashing.parameters)) {
    log.warn('The Argon2id parameters are below the minimum that OWASP recommends. For tests only.');
  }
  if ('path' in config.listen && !config.trustedProxies.includes('unix')) {
    log.warn(
      'Requests on a Unix socket have no address: set TRUSTED_PROXIES=unix, or attempts are limited by account alone.',
    );
  }
}

/** The database with its schema up to date and something in its catalog. @throws StartupError */
export async function prepareDatabase(
  config: Config,
  { log }: Telemetry,
  closing: Closing,
): Promise<ServiceSettings['database']> {
  const { poolSize, timeoutMs } = config.database;
  const database = await openDatabaseAccess(config, 'refuse', (sentence) => log.warn(sentence));
  closing(database.stop);
  const applied = await migrate(database.directAddress);
  if (applied.length > 0) log.info({ migrations: applied }, 'The schema was brought up to date.');
  const route = await findStatementRoute(config.database, database);
  // Behind a pooler the connections of the pool are the pooler's, which counts them by itself.
  const counted = route.isPooled ? 0 : poolSize;
  const left = await requireConnections(database.directAddress, counted, config.workers);
  if (config.workers > 1 && left < counted + extraConnections) {
    log.warn(
      { left, needed: counted + extraConnections },
      'A rolling restart needs the connections of one more worker, and the database does not have them.',
    );
  }
  const filled = await createFirstCatalog(database.address, timeoutMs);
  if (filled !== undefined)
    log.info({ added: filled }, 'The exercise catalog was empty and has been filled.');
  const { address, directAddress } = database;
  return { address, directAddress, prepares: route.prepares, replica: await findReplica(config.database) };
}

type Given = 'config' | 'database' | 'telemetry' | 'siblings' | 'place' | 'counters';

/** Builds the service, opens it and listens. @returns it with the address to show */
export async function openService(
  settings: Pick<ServiceSettings, Given>,
  lifecycle: Lifecycle,
  closing: Closing,
): Promise<{ service: Service; address: string }> {
  const { config } = settings;
  const service = await createService({
    ...settings,
    loadSigningKey: () => loadSigningKey(config),
    lifecycle,
    clock: systemClock,
    randomBytes,
  });
  closing(async () => {
    lifecycle.state = 'draining';
    await drain(service, settings.telemetry);
  });
  await service.open();
  return { service, address: await listen(service.app, config) };
}

/** Open requests get this long; what is still open then is cut off. */
const longestDrainMs = 30_000;

/**
 * After this long it ends without what is not finished: deliveries, which somebody makes again when their leases are over,
 * and events that were not acknowledged. A database that stands still keeps each statement for 5 s, and one may follow
 * another.
 */
const longestEndMs = 40_000;

/** A node that ends says `Connection: close` for this long; a proxy that asks often has then let go of all connections. */
const partingMs = 1_000;

async function drain(service: Service, { log }: Pick<Telemetry, 'log'>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<true>();
  const cutOff = setTimeout(() => service.app.server.closeAllConnections(), longestDrainMs);
  const giveUp = setTimeout(resolve, longestEndMs, true);
  const finished = async (): Promise<false> => {
    await releaseConnections(service, partingMs);
    await service.close();
    return false;
  };
  try {
    if (await Promise.race([finished(), late])) {
      log.warn(`Not everything was finished within ${longestEndMs / 1_000} s, and the rest is left.`);
    }
  } finally {
    clearTimeout(cutOff);
    clearTimeout(giveUp);
  }
}

/** While others take the new connections: whoever was asked nothing for this long is closed without an answer to say so. */
export const idleMs = 5_000;

/**
 * Lets the connections go while others take the new ones: each is closed with its next answer, since a client that asks
 * on just the connection that is being closed would count a failure. Resolves when all are gone, or only idle ones were
 * left for so many milliseconds.
 */
export async function releaseConnections({ app, retire }: Service, longestMs: number): Promise<void> {
  retire();
  const { promise: allGone, resolve } = Promise.withResolvers<void>();
  // That of net.Server: node:http would close the idle ones at once.
  net.Server.prototype.close.call(app.server, () => resolve());
  await Promise.race([allGone, pause(longestMs, undefined, { ref: false })]);
}

/** Connections that wait to be accepted, as far as the kernel lets them (net.core.somaxconn); Node's own number is 511. */
const backlog = 4_096;

/** @returns the address to show: a URL, or the path of the socket */
async function listen(app: App, config: Config): Promise<string> {
  const target = config.listen;
  try {
    if ('path' in target) {
      await app.listen({ path: target.path, backlog });
      return `unix:${target.path}`;
    }
    await app.listen({ host: target.host, port: target.port, backlog });
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

type NewAdministrator = Awaited<ReturnType<typeof createPrimaryAdministrator>>;

/** Says on standard output where it serves, and the administrator's password the one time it can. */
export function announceServing(
  { print }: Telemetry,
  address: string,
  administrator: NewAdministrator,
): void {
  print(`IronTrack serves on ${address}`);
  print(`Documentation: ${address}/docs`);
  if (administrator === undefined) return;
  print(`Administrator: ${administrator.email}`);
  if (administrator.oneTimePassword !== undefined) {
    print(`Password, shown this once: ${administrator.oneTimePassword}`);
  }
}
