/** The answers of a server that are not finished: being worked on, or handed over and not taken by the client yet. */
import type { Duplex } from 'node:stream';
import { clientLeft, type ObservedResponse } from './observed-response.ts';

export interface OpenAnswers {
  /** Counts an answer as open; a connection that asks on and on without reading is cut off. @returns false then */
  add(response: ObservedResponse): boolean;
  has(response: ObservedResponse): boolean;
  /** Is anything of this connection open? */
  isBusy(socket: Duplex): boolean;
  /** The one request of a connection whose body is not there yet, and that nobody has begun to answer. */
  findUnread(socket: Duplex): ObservedResponse | undefined;
  /** Cuts off clients that have not taken an answer whole in time, counted from their request. */
  cutOffUnread(longestMs: number): void;
  /** From now on a connection is closed when nothing of it is open any more. */
  closeWhenDone(): void;
  /** Is this such a connection, and nothing of it open but this? */
  isLast(response: ObservedResponse): boolean;
  readonly size: number;
}

/**
 * Answers of one connection that may be under way at once. node:http reads pipelined requests 64 KiB at a time whether
 * or not anybody reads the answers, and a few KB of requests can ask for gigabytes.
 */
const mostPipelined = 100;

/** @param clock the one that responses take their start from */
export function createOpenAnswers(clock: () => number): OpenAnswers {
  const open = new Set<ObservedResponse>();
  const openBySocket = new WeakMap<object, number>();
  let closesWhenDone = false;

  function forget(this: ObservedResponse): void {
    open.delete(this);
    const { socket } = this.req;
    const left = (openBySocket.get(socket) ?? 1) - 1;
    openBySocket.set(socket, left);
    this.recordOnce(clientLeft);
    if (closesWhenDone && left === 0) socket.destroySoon();
  }

  return {
    add(response) {
      const { socket } = response.req;
      const pending = (openBySocket.get(socket) ?? 0) + 1;
      if (pending > mostPipelined) {
        socket.destroy();
        return false;
      }
      openBySocket.set(socket, pending);
      open.add(response);
      response.on('close', forget);
      return true;
    },
    has: (response) => open.has(response),
    isBusy: (socket) => (openBySocket.get(socket) ?? 0) > 0,
    findUnread(socket) {
      if (openBySocket.get(socket) !== 1) return undefined;
      for (const response of open) {
        if (response.req.socket !== socket) continue;
        return response.req.complete || response.headersSent ? undefined : response;
      }
      return undefined;
    },
    cutOffUnread(longestMs) {
      for (const response of open) {
        if (response.writableEnded && clock() - response.startedAt > longestMs) response.req.socket.destroy();
      }
    },
    closeWhenDone() {
      closesWhenDone = true;
    },
    isLast: ({ req }) => closesWhenDone && openBySocket.get(req.socket) === 1,
    get size() {
      return open.size;
    },
  };
}
