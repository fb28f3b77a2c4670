/**
 * The way to Valkey or Redis: one connection, for commands and for news alike, so that replies and news arrive in the
 * order in which they left the server. It is up or down. A server that is silent for half a second counts as away:
 * whatever is under way fails then, and everybody who asks is told so at once until another connection answers.
 */
import type { ValkeyAddress } from '../../config-fields.ts';
import { type Connection, openConnection, type Reply } from './connection.ts';
import type { Script } from './script.ts';

export interface LinkListener {
  /** Commands reach a server that answers. What was there through an earlier connection may be gone, or old. */
  up?(): void;
  /** News may have been missed since, and will be until `up`. */
  down?(): void;
  /** A key that was read through this link changed, or is gone; null: any may have. */
  invalidated?(key: string | null): void;
  /** Something was published on the channel. */
  published?(message: string): void;
}

export interface ValkeyLink {
  readonly isUp: boolean;
  /** Does the server tell when something that was read here changes? */
  readonly isTracking: boolean;
  /** How often a connection that was up was lost. */
  readonly losses: number;
  /** @throws ValkeyAway at once while the link is down, and when no answer comes */
  run(args: readonly string[]): Promise<Reply>;
  runScript(script: Script, keys: readonly string[], args: readonly string[]): Promise<Reply>;
  listen(listener: LinkListener): void;
  /** Gives the connection up, because something failed that must not. */
  fail(reason: string): void;
  /** Connects, and again whenever the connection is lost. Resolves after the first try, however it went. */
  open(channel: string): Promise<void>;
  close(): Promise<void>;
}

/** The answer is not known: the command may have been carried out or not. */
export class ValkeyAway extends Error {}

interface LinkSettings {
  address: ValkeyAddress;
  /** Told once when the server is away and once when it is back, not at every try. */
  onChange: (isUp: boolean, reason: string) => void;
}

const tickMs = 50;
/**
 * So many ticks with a command under way and nothing answered: away. Counted in turns of the event loop and not by the
 * clock, so that a pause of this process is not taken for one of the server.
 */
const silentTicks = 10;
/** So many ticks without a command: ask whether it is still there. */
const idleTicks = 20;
const connectTimeoutMs = 2_000;
const retryMs = 250;
const mostCommands = 20_000;
/** Answers of a server that is of no use to us as it is: a replica after a fail-over, one without memory. */
const refusals = /^(READONLY|OOM|LOADING|MISCONF|NOAUTH|NOPERM|MASTERDOWN|CLUSTERDOWN|MOVED) /;

export function createValkeyLink({ address, onChange }: LinkSettings): ValkeyLink {
  const listeners: LinkListener[] = [];
  let connection: Connection | undefined;
  let isClosed = false;
  let isReportedDown = false;
  let losses = 0;
  let channelName = '';
  let waiting = 0;
  let answers = 0;
  let answersAtTick = 0;
  let quietTicks = 0;
  let ticker: NodeJS.Timeout | undefined;
  let retry: NodeJS.Timeout | undefined;
  let trying: Promise<void> = Promise.resolve();

  function drop(): void {
    clearInterval(ticker);
    connection?.destroy();
    connection = undefined;
  }

  function report(isUp: boolean, reason: string): void {
    if (isReportedDown === !isUp) return;
    isReportedDown = !isUp;
    onChange(isUp, reason);
  }

  function lose(reason: string): void {
    if (connection === undefined) return;
    drop();
    losses += 1;
    for (const listener of listeners) listener.down?.();
    report(false, reason);
    tryLater();
  }

  function tryLater(): void {
    if (isClosed) return;
    retry = setTimeout(() => {
      trying = connect();
    }, retryMs);
  }

  async function connect(): Promise<void> {
    try {
      const opened = await openConnection(
        { address, channel: channelName, connectTimeoutMs, mostCommands },
        {
          onEnd: (reason) => lose(reason),
          onInvalidated: (key) => {
            for (const listener of listeners) listener.invalidated?.(key);
          },
          onPublished: (message) => {
            for (const listener of listeners) listener.published?.(message);
          },
        },
      );
      if (isClosed) {
        opened.destroy();
        return;
      }
      if (!opened.isOpen) throw new Error('The connection was closed.');
      connection = opened;
    } catch (error) {
      report(false, error instanceof Error ? error.message : String(error));
      tryLater();
      return;
    }
    waiting = 0;
    quietTicks = 0;
    ticker = setInterval(look, tickMs).unref();
    for (const listener of listeners) listener.up?.();
    report(true, '');
  }

  function look(): void {
    const isQuiet = answers === answersAtTick;
    answersAtTick = answers;
    quietTicks = isQuiet ? quietTicks + 1 : 0;
    if (waiting > 0 && quietTicks >= silentTicks) lose(`No answer for ${silentTicks * tickMs} ms.`);
    else if (waiting === 0 && quietTicks >= idleTicks) {
      quietTicks = 0;
      run(['PING']).catch(() => undefined);
    }
  }

  async function run(args: readonly string[]): Promise<Reply> {
    const used = connection;
    if (used === undefined) throw new ValkeyAway('Valkey is away.');
    // The first of several waits from now on, whatever the ticks before it have seen.
    if (waiting === 0) quietTicks = 0;
    waiting += 1;
    try {
      return await used.send(args);
    } catch (error) {
      const message = error instanceof Error ? error.message : '';
      if (connection === used && refusals.test(message)) lose(message);
      if (connection === used) throw error;
      throw new ValkeyAway('Valkey did not answer.', { cause: error });
    } finally {
      if (connection === used) {
        waiting -= 1;
        answers += 1;
      }
    }
  }

  return {
    get isUp() {
      return connection !== undefined;
    },
    get isTracking() {
      return connection?.isTracking ?? false;
    },
    get losses() {
      return losses;
    },
    run,
    async runScript({ source, sha }, keys, args) {
      const rest = [String(keys.length), ...keys, ...args];
      try {
        return await run(['EVALSHA', sha, ...rest]);
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
        return await run(['EVAL', source, ...rest]);
      }
    },
    listen: (listener) => void listeners.push(listener),
    fail: lose,
    async open(channel) {
      channelName = channel;
      trying = connect();
      await trying;
    },
    async close() {
      isClosed = true;
      clearTimeout(retry);
      await trying;
      drop();
    },
  };
}
