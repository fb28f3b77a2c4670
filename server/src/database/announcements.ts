/**
 * Hears what other nodes changed. Triggers announce each change in the transaction that makes it; this keeps a
 * listening connection and passes the news on. When it cannot hear, it says so, so that caches stop being trusted.
 */
import type postgres from 'postgres';
import { connectPool, type DatabaseAddress } from './client.ts';
import { withDeadline } from './unavailable.ts';

export type ChangeTopic =
  | 'user'
  | 'session'
  | 'signing-keys'
  | 'exercises'
  | 'organization'
  | 'api-key'
  | 'deliveries';

export interface ChangeListener {
  /**
   * One thing changed. The id is empty for a topic that has none; for exercises it says whose: `system`, a user, or
   * `all` when it is many or a name that may be in any of them.
   */
  changed(topic: ChangeTopic, id: string): void;
  /** News may have been missed since, and will be until `connected`. */
  disconnected(): void;
  connected(): void;
}

export interface Announcements {
  close(): Promise<void>;
}

const channel = 'irontrack_changes';
const listenStatement = `listen ${channel}`;
const topics: ReadonlySet<string> = new Set<ChangeTopic>([
  'user',
  'session',
  'signing-keys',
  'exercises',
  'organization',
  'api-key',
  'deliveries',
]);

/**
 * How often the connection is asked whether it is there, by LISTEN once more, and how long its answer may take: one whose
 * other end vanished without a word is noticed within the sum. For who listens already PostgreSQL does nothing then, so it
 * waits for no lock and no disk.
 */
const pingIntervalMs = 1_000;
const pingTimeoutMs = 1_000;
/**
 * Every second time it proves that it carries news, too. Not each time, and with more time for it: every listener of the
 * database hears all pulses, and PostgreSQL lets one transaction at a time notify.
 */
const pulseTimeoutMs = 2_000;
/** A while that this process was too busy to hear anything counts as one step, however long it was. */
const stepMs = 100;
const reconnectDelayMs = 200;
/** To connect, and to be told that LISTEN is heard. */
const listenTimeoutMs = 6_000;

/**
 * Listens on a connection of its own, reconnects by itself, and tells `listener` at once when it is cut off. Resolves
 * when it hears for the first time.
 *
 * @param address past any pooler: LISTEN needs one lasting connection
 */
export async function listenForChanges(
  address: DatabaseAddress,
  listener: ChangeListener,
): Promise<Announcements> {
  let closed = false;
  let connected = false;
  let isPulseDue = false;
  let client: postgres.Sql | undefined;
  let wake: () => void = () => undefined;
  let heard: () => void = () => undefined;
  const pulse = `pulse:${process.pid}-${Math.random().toString(36).slice(2)}`;

  function lost(): void {
    if (!connected || closed) return;
    connected = false;
    listener.disconnected();
    wake();
  }

  function receive(payload: string): void {
    if (payload === pulse) {
      heard();
      return;
    }
    tellChange(listener, payload);
  }

  async function open(): Promise<void> {
    // A statement on a lost connection would open another one that does not listen, so each gets its own client.
    const opened = connectPool(address, 1, {
      onnotify: (_channel, payload) => receive(payload),
      onclose: () => {
        if (client === opened) lost();
      },
    });
    await client?.end({ timeout: 0 });
    client = opened;
    // A connection that dies without a word right now would else be waited for until the network gives it up.
    await withDeadline(opened.unsafe(listenStatement), listenTimeoutMs);
    connected = true;
    listener.connected();
  }

  async function ask(text: string, parameters: string[] = []): Promise<void> {
    await client?.unsafe(text, parameters);
  }

  /** Throws when the connection is not there, or carries no news. */
  async function beat(): Promise<void> {
    await inTime(ask(listenStatement), pingTimeoutMs);
    isPulseDue = !isPulseDue;
    if (!isPulseDue) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    heard = resolve;
    await inTime(Promise.all([promise, ask('select pg_notify($1, $2)', [channel, pulse])]), pulseTimeoutMs);
  }

  async function pause(milliseconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    wake = resolve;
    const timer = setTimeout(resolve, milliseconds);
    await promise;
    clearTimeout(timer);
  }

  async function keepListening(): Promise<void> {
    while (!closed) {
      await pause(connected ? pingIntervalMs : reconnectDelayMs);
      if (closed) return;
      try {
        if (!connected) await open();
        await beat();
      } catch {
        // Whatever went wrong, the answer is the same: nothing is heard, so start again with a new connection.
        lost();
      }
    }
  }

  await open();
  const listening = keepListening();

  return {
    async close() {
      closed = true;
      wake();
      await client?.end({ timeout: 0 });
      await listening;
    },
  };
}

/** @throws when it is not settled in time, as far as this process could have heard of it */
async function inTime(answer: Promise<unknown>, timeoutMs: number): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  let steps = 0;
  const timer = setInterval(() => {
    steps += 1;
    if (steps * stepMs >= timeoutMs) reject(new Error('No pulse.'));
  }, stepMs);
  try {
    await Promise.race([answer, late]);
  } finally {
    clearInterval(timer);
  }
}

/** Passes on what was announced as `topic:id`; anything else is for somebody newer. */
export function tellChange(listener: Pick<ChangeListener, 'changed'>, payload: string): void {
  const [topic, id] = splitOnce(payload);
  if (isChangeTopic(topic)) listener.changed(topic, id);
}

function splitOnce(payload: string): [string, string] {
  const colon = payload.indexOf(':');
  return colon === -1 ? [payload, ''] : [payload.slice(0, colon), payload.slice(colon + 1)];
}

export function isChangeTopic(topic: string): topic is ChangeTopic {
  return topics.has(topic);
}
