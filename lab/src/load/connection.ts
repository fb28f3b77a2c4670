/** What the pacer knows of a connection, whatever protocol it speaks. */
import type { FailureKind } from '../result/result.ts';
import type { Answer } from '../scenarios/scenario.ts';

/** A request in the form its protocol sends. */
export interface EncodedRequest {
  /** HTTP/1.1: all of the message. HTTP/2: the body. */
  bytes: Buffer;
  isHead: boolean;
  /** HTTP/2 only, with the pseudo-header fields. */
  fields?: Readonly<Record<string, string>>;
}

/** Where connections lead; resolved once, so that no name server is in the figures. */
export interface ConnectionTarget {
  url: URL;
  /** IP address, or the path of a Unix socket. */
  address: string;
  isSocket: boolean;
  insecure: boolean;
  connectTimeoutMs: number;
  maxBodyBytes: number;
}

/**
 * Room for one outstanding request. It opens itself again after whatever happens, until it is closed. The fields of the
 * outstanding request are the pacer's; they are here so that no object is made for each request.
 */
export interface Connection {
  readonly index: number;
  /** Microseconds since the phase began. */
  dueUs: number;
  sentUs: number;
  number: number;
  step: number;
  readonly isOpen: boolean;
  isBusy: boolean;
  /** Open, nothing outstanding, waiting among the free ones. */
  isFree: boolean;
  isQueuedFree: boolean;
  needsRenewal: boolean;

  open(): void;
  /** Only after `onFree`. */
  send(request: EncodedRequest, keepsAnswer: boolean): void;
  /** The answer that `onAnswer` is told of, when it was kept. */
  readAnswer(): Answer;
  /** Drops what is outstanding without a word and opens again. */
  abandon(): void;
  /** For good, without a word. */
  close(): void;
}

export interface ConnectionOwner {
  /** Open, and nothing is outstanding. */
  onFree(connection: Connection): void;
  /** The outstanding request has its whole answer; `onFree` follows when the connection can be used again. */
  onAnswer(connection: Connection, status: number): void;
  /** The outstanding request will have none. */
  onFailure(connection: Connection, kind: FailureKind, reason: string): void;
  onOpened(connection: Connection): void;
  onLost(connection: Connection): void;
  onConnectFailure(connection: Connection, reason: string): void;
  onBytes(count: number): void;
  /** Something odd that is no request's outcome. */
  onNote(sentence: string): void;
}

/** 10 ms, doubled for each failure in a row up to 250 ms: a dead server costs no CPU, a live one is found again soon. */
export function backOffMs(failuresInARow: number): number {
  return failuresInARow === 0 ? 0 : Math.min(250, 10 * 2 ** (failuresInARow - 1));
}
