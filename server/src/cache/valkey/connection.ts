/** One connection of the client library, opened once: no reconnecting of its own, no queue for later. */
import type { ValkeyAddress } from '../../config-fields.ts';

/** What a command may answer; scripts of ours return nothing else. */
export type Reply = string | number | null | readonly Reply[];

export interface Connection {
  /** Does the server tell when something that was read here changes? */
  readonly isTracking: boolean;
  readonly isOpen: boolean;
  send(args: readonly string[]): Promise<Reply>;
  /** Whatever is under way fails. */
  destroy(): void;
}

interface ConnectionHandlers {
  /** Once: the connection is of no use any more. */
  onEnd(reason: string): void;
  /** A key that was read here changed, or is gone; null: any may have. */
  onInvalidated(key: string | null): void;
  /** Something was published on the channel. */
  onPublished(message: string): void;
}

interface ConnectionSettings {
  address: ValkeyAddress;
  channel: string;
  connectTimeoutMs: number;
  /** Commands under way at most; one more fails. */
  mostCommands: number;
}

/** @throws Error when there is no connection within the time, or the server refuses what we need of it */
export async function openConnection(
  settings: ConnectionSettings,
  handlers: ConnectionHandlers,
): Promise<Connection> {
  try {
    return await open(settings, handlers, true);
  } catch (error) {
    // Some providers keep CLIENT TRACKING from their users. Everything else goes without.
    if (!(error instanceof Error) || !/tracking|client\|/i.test(error.message)) throw error;
    return await open(settings, handlers, false);
  }
}

async function open(
  { address, channel, connectTimeoutMs, mostCommands }: ConnectionSettings,
  handlers: ConnectionHandlers,
  isTracking: boolean,
): Promise<Connection> {
  // Loaded by those who need it: it takes as long as half a start.
  const { createClient } = await import('@redis/client');
  const { socket, username, password, database } = address;
  const client = createClient({
    RESP: 3,
    socket: { ...socket, connectTimeout: connectTimeoutMs, reconnectStrategy: false },
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    database,
    name: 'irontrack',
    disableClientInfo: true,
    disableOfflineQueue: true,
    commandsQueueMaxLength: mostCommands,
    // Timed out all together by the link: a timer for each command would cost more than the command.
    commandOptions: { timeout: 0 },
    maintNotifications: 'disabled',
    emitInvalidate: isTracking,
  });
  let isOpen = false;
  const end = (reason: string) => {
    if (!isOpen) return;
    isOpen = false;
    handlers.onEnd(reason);
  };
  // Until it is open, whatever goes wrong is what connecting fails with.
  client.on('error', (error: Error) => end(error.message === '' ? error.name : error.message));
  client.on('end', () => end('The connection was closed.'));
  client.on('invalidate', (key: Buffer | string | null) => handlers.onInvalidated(key?.toString() ?? null));

  async function setUp(): Promise<void> {
    await client.connect();
    // What this connection writes itself is no news to it.
    if (isTracking) await client.sendCommand(['CLIENT', 'TRACKING', 'ON', 'NOLOOP']);
    await client.subscribe(channel, handlers.onPublished);
    // A replica, or a server without memory, takes no writes: that is as good as away.
    await client.sendCommand(['SET', `${channel}:probe`, '', 'PX', '1000']);
  }
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error('It does not answer.')), connectTimeoutMs);
  const ready = setUp();
  ready.catch(() => undefined);
  try {
    await Promise.race([ready, late]);
    isOpen = true;
  } catch (error) {
    client.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return {
    isTracking,
    get isOpen() {
      return isOpen;
    },
    send: (args) => client.sendCommand<Reply>(args),
    destroy() {
      isOpen = false;
      client.destroy();
    },
  };
}
