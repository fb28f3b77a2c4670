/** The channel between the supervisor and one of its workers: each end calls functions of the other by their names. */

/** What carries messages as JSON: a process of node:cluster, seen from either side. */
export interface Endpoint {
  /** May throw when there is nobody at the other end any more. */
  send(message: object): void;
  onMessage(listener: (message: unknown) => void): void;
}

type Functions<Api> = { readonly [Name in keyof Api]: (...args: never[]) => unknown };

type Args<Called> = Called extends (...args: infer Given) => unknown ? Given : never;
type Answer<Called> = Called extends (...args: never[]) => infer Given ? Awaited<Given> : never;

/** Why a call was not answered: the other end is gone or too slow, or it threw. */
export class LinkError extends Error {
  override readonly name = 'LinkError';
}

export interface Link<Theirs> {
  /**
   * Calls a function at the other end.
   *
   * @param timeoutMs how long to wait for its answer
   * @throws LinkError without an answer
   */
  ask<Name extends keyof Theirs & string>(
    timeoutMs: number,
    name: Name,
    ...args: Args<Theirs[Name]>
  ): Promise<Answer<Theirs[Name]>>;
  /** Nobody is there any more: whoever waits is told. */
  close(): void;
}

interface Call {
  readonly call: string;
  readonly id: number;
  readonly args: readonly unknown[];
}

interface Reply {
  readonly reply: number;
  readonly value?: unknown;
  readonly failure?: string;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: LinkError): void;
}

/** @param ours what the other end may call; an answer goes back as JSON */
export function openLink<Theirs extends Functions<Theirs>>(
  endpoint: Endpoint,
  ours: Readonly<Record<string, (...args: never[]) => unknown>>,
): Link<Theirs> {
  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  let isClosed = false;

  function send(message: Call | Reply): void {
    try {
      endpoint.send(message);
    } catch {
      // It has just ended, and `close` follows.
    }
  }

  async function answer({ call, id, args }: Call): Promise<void> {
    try {
      const called = ours[call];
      if (called === undefined) throw new Error(`There is no ${call} here.`);
      const value: unknown = await Reflect.apply(called, undefined, args);
      send({ reply: id, value });
    } catch (error) {
      send({ reply: id, failure: error instanceof Error ? error.message : String(error) });
    }
  }

  endpoint.onMessage((message) => {
    if (isCall(message)) {
      void answer(message);
      return;
    }
    if (!isReply(message)) return;
    const asker = waiting.get(message.reply);
    waiting.delete(message.reply);
    if (message.failure === undefined) asker?.resolve(message.value);
    else asker?.reject(new LinkError(message.failure));
  });

  return {
    async ask<Name extends keyof Theirs & string>(
      timeoutMs: number,
      name: Name,
      ...args: Args<Theirs[Name]>
    ) {
      lastId += 1;
      const id = lastId;
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      waiting.set(id, { resolve, reject });
      const timer = setTimeout(
        () => reject(new LinkError(`No answer to ${name} in ${timeoutMs} ms.`)),
        timeoutMs,
      );
      try {
        if (isClosed) throw new LinkError('The other end is gone.');
        send({ call: name, id, args });
        // parser: both ends are of one program, and their functions are declared once.
        return (await promise) as Answer<Theirs[Name]>;
      } finally {
        clearTimeout(timer);
        waiting.delete(id);
      }
    },
    close() {
      isClosed = true;
      for (const asker of waiting.values()) asker.reject(new LinkError('The other end is gone.'));
      waiting.clear();
    },
  };
}

function isCall(message: unknown): message is Call {
  return typeof message === 'object' && message !== null && 'call' in message;
}

function isReply(message: unknown): message is Reply {
  return typeof message === 'object' && message !== null && 'reply' in message;
}
