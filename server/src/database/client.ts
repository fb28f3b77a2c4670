/** A bare client of the library, set up as everything here needs it. */
import postgres from 'postgres';
import { withHost } from '../config-fields.ts';
import type { DatabaseConnection } from './embedded.ts';
import { createSocketOpener, type SocketOpener } from './socket.ts';

/** A URL, or where the embedded database is. */
export type DatabaseAddress = string | DatabaseConnection;

/** A database that is back is used within a second; the library's own back-off reaches 20 s. */
export function backoffMs(attempts: number): number {
  return Math.min(50 * 2 ** attempts, 1_000);
}

/** `onnotify` is the library's own, though its types do not list it; announcements.test.ts shows that it works. */
interface ConnectionEvents {
  onclose?: (connectionId: number) => void;
  onnotify?: (channel: string, payload: string) => void;
}

/**
 * A bare postgres.js client: for the pool here, for migrations and for the listening connection.
 *
 * @param options.prepare false keeps the library from preparing anything, its own COMMIT included
 */
export function connectPool(
  address: DatabaseAddress,
  max: number,
  {
    prepare = true,
    opener = createSocketOpener(),
    ...events
  }: ConnectionEvents & { prepare?: boolean; opener?: SocketOpener } = {},
): postgres.Sql {
  const options: postgres.Options<Record<string, never>> = {
    // The types of the library do not list all of these; outage.test.ts and announcements.test.ts show that they work.
    ...{ ...events, socket: opener.open },
    max,
    prepare,
    connect_timeout: 5,
    backoff: (attempts) => backoffMs(attempts) / 1_000,
    max_lifetime: null,
    onnotice: () => undefined,
    fetch_types: false,
    connection: { application_name: 'irontrack' },
  };
  const client = openAt(address, options);
  forgetOrigins(client);
  return client;
}

function openAt(address: DatabaseAddress, options: postgres.Options<Record<string, never>>): postgres.Sql {
  if (typeof address !== 'string') return postgres({ ...options, ...address });
  const { url, socketFolder } = takeSocketFolder(address);
  return postgres(url, socketFolder === undefined ? options : { ...options, host: socketFolder });
}

/**
 * Of each statement that failed the library would keep the text for as long as the process lives, to say which line of
 * code it came from, which of finished text it does not know (postgres.js 3.4.9, `origin` of query.js).
 */
function forgetOrigins(client: postgres.Sql): void {
  const queries: object = Object.getPrototypeOf(client.unsafe(''));
  Object.defineProperty(queries, 'origin', { get: () => '', configurable: true });
}

/**
 * A URL can name the folder of a Unix socket as libpq has it (`?host=/run/postgresql`, or percent-encoded in place of
 * the host); the library takes that as an option alone.
 */
function takeSocketFolder(address: string): { url: string; socketFolder?: string } {
  const url = new URL(withHost(address));
  const given = url.searchParams.get('host') ?? decodeURIComponent(url.hostname);
  if (!given.startsWith('/')) return { url: address };
  url.searchParams.delete('host');
  url.hostname = 'localhost';
  return { url: url.href, socketFolder: given };
}
