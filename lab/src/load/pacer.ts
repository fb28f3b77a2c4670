/**
 * Sends requests when they are due and tells the recorder what became of them.
 *
 * Open loop: one absolute schedule. A request that is due while a connection is free goes out at once; otherwise it
 * waits, first in first out, and its response time still counts from when it was due. Those that wait are a range of
 * numbers, walked by a second cursor on the same schedule: a backlog of millions takes no memory. Closed loop: each
 * connection sends again as soon as it has its answer.
 */
import type { FailureKind } from '../result/result.ts';
import type { Connection, ConnectionOwner } from './connection.ts';
import { Exchange } from './exchange.ts';
import { FreeConnections } from './free-connections.ts';
import type { Phase, Progress } from './generator.ts';
import type { Recorder } from './recorder.ts';
import { type Arrivals, createArrivals, type Schedule } from './schedule.ts';
import type { Workload } from './workload.ts';

export interface PacerOptions {
  phase: Phase;
  arrivals: Schedule['arrivals'];
  seed: number;
  timeoutS: number;
  /** Ask the clock in a loop, 1-2 us fine, rather than wait on a timer of a millisecond. */
  spin: boolean;
  workload: Workload;
  recorder: Recorder;
  openConnections: (owner: ConnectionOwner) => Connection[];
  onProgress: (progress: Progress) => void;
  /** Monotonic, in milliseconds with fractions. */
  nowMs: () => number;
  interrupted: AbortSignal;
}

export interface PacerOutcome {
  /** Due requests that were answered, rightly or wrongly, but for a backlog that stood at the end. */
  answeredInTime: number;
  okInTime: number;
  startedAtMs: number;
}

/** What is outstanding when the last request has been due gets this long at most. */
const longestGraceUs = 5e6;
/** Requests marked due before sockets are looked at again; a yield, not a limit to catching up. */
const dueAtOnce = 10_000;
/** Kinds for which an answer came, if a wrong one. */
const answeredKinds: ReadonlySet<FailureKind> = new Set(['status', 'body', 'protocol', 'too-large']);

export function runPacer(options: PacerOptions): Promise<PacerOutcome> {
  return new Pacer(options).run();
}

class Pacer implements ConnectionOwner {
  readonly #options: PacerOptions;
  readonly #workload: Workload;
  readonly #recorder: Recorder;
  readonly #exchange: Exchange;
  readonly #connections: Connection[];
  readonly #isOpenLoop: boolean;
  readonly #durationUs: number;
  readonly #timeoutUs: number;
  /** The first request that is not yet due, and the first that is not yet sent. */
  readonly #coming: Arrivals;
  readonly #waiting: Arrivals;
  readonly #free: FreeConnections;
  #busyCount = 0;
  #openCount = 0;
  /** Neither opened nor failed yet. */
  readonly #unsettled: Set<Connection>;
  #startMs = 0;
  #isStarted = false;
  #isEnded = false;
  #isIssuing = true;
  #nowUs = 0;
  #issued = 0;
  #queueEmptyAtUs = 0;
  /** Requests from this number on stood in a backlog that did not clear. */
  #undeliveredFrom = Number.POSITIVE_INFINITY;
  #answeredInTime = 0;
  #okInTime = 0;
  #nextProgress = 0;
  #wake: NodeJS.Timeout | undefined = undefined;
  #finish: (outcome: PacerOutcome) => void = () => undefined;
  #begin: () => void = () => undefined;

  constructor(options: PacerOptions) {
    const { phase, arrivals, seed, timeoutS } = options;
    const schedule: Schedule = { ratePerS: phase.ratePerS ?? 1, arrivals, seed };
    this.#options = options;
    this.#workload = options.workload;
    this.#recorder = options.recorder;
    this.#exchange = new Exchange(options.workload, options.recorder, options.nowMs);
    this.#isOpenLoop = phase.ratePerS !== null;
    this.#durationUs = phase.durationS * 1e6;
    this.#timeoutUs = timeoutS * 1e6;
    this.#coming = createArrivals(schedule);
    this.#waiting = createArrivals(schedule);
    this.#connections = options.openConnections(this);
    this.#unsettled = new Set(this.#connections);
    this.#free = new FreeConnections(this.#connections.length);
  }

  async run(): Promise<PacerOutcome> {
    const { interrupted, timeoutS, nowMs } = this.#options;
    const sweepMs = Math.min(100, Math.max(5, timeoutS * 50));
    let sweeping: NodeJS.Timeout | undefined;
    const stop = () => this.#end();
    const ended = new Promise<PacerOutcome>((resolve) => {
      this.#finish = resolve;
    });
    try {
      // Opened before the clock starts: what is measured is the server, not its accept queue (wrk2 lost a quarter of
      // its requests to a late start in 6 of 12 runs).
      const opened = new Promise<void>((resolve) => {
        this.#begin = resolve;
      });
      for (const connection of this.#connections) connection.open();
      if (this.#connections.length > 0) await opened;
      await this.#renewOverdue();
      this.#startMs = nowMs();
      this.#isStarted = true;
      if (interrupted.aborted) this.#end();
      interrupted.addEventListener('abort', stop, { once: true });
      sweeping = setInterval(() => this.#sweep(), sweepMs);
      if (!this.#isOpenLoop) this.#sendFromAll();
      this.#loop();
      return await ended;
    } finally {
      interrupted.removeEventListener('abort', stop);
      clearInterval(sweeping);
      clearTimeout(this.#wake);
      for (const connection of this.#connections) connection.close();
    }
  }

  onOpened(connection: Connection): void {
    this.#openCount++;
    this.#recorder.connectionsOpened++;
    if (this.#isStarted) this.#clock();
    this.#settle(connection);
  }

  onLost(connection: Connection): void {
    this.#openCount--;
    this.#free.remove(connection);
  }

  onBytes(count: number): void {
    this.#recorder.bytesIn += count;
  }

  onNote(sentence: string): void {
    this.#recorder.note(sentence);
  }

  onFree(connection: Connection): void {
    if (this.#isEnded) return;
    if (connection.needsRenewal) {
      void this.#renew(connection);
      return;
    }
    if (!this.#isStarted) {
      this.#free.putBack(connection, this.#nowUs);
      return;
    }
    if (!this.#isOpenLoop) {
      if (this.#isIssuing) this.#sendClosed(connection);
      else this.#free.putBack(connection, this.#nowUs);
      return;
    }
    if (this.#waiting.number < this.#coming.number) {
      if (!this.#sendNext(connection, false)) this.#free.putBack(connection, this.#nowUs);
      return;
    }
    this.#free.putBack(connection, this.#nowUs);
    if (this.#coming.dueUs <= this.#nowUs) this.#tick();
  }

  onAnswer(connection: Connection, status: number): void {
    if (this.#isEnded) return;
    const now = this.#clock();
    this.#busyCount--;
    const isInTime = connection.number < this.#undeliveredFrom;
    const isRight = this.#exchange.judge(connection, status, now);
    if (isInTime) this.#answeredInTime++;
    // As fast as it goes is what was answered until the end: with what was outstanding then, 50 connections to a server
    // that answers 12 a second would make 17 of them in ten seconds.
    if (isRight && (this.#isOpenLoop ? isInTime : now <= this.#durationUs)) this.#okInTime++;
    if (!this.#isIssuing) this.#endWhenDone();
  }

  onFailure(connection: Connection, kind: FailureKind, reason: string): void {
    if (this.#isEnded) return;
    this.#clock();
    this.#busyCount--;
    this.#recorder.recordFailure(kind, connection.step, connection.dueUs);
    if (answeredKinds.has(kind) && connection.number < this.#undeliveredFrom) this.#answeredInTime++;
    this.#recorder.note(`${kind}: ${reason}.`);
    if (!this.#isIssuing) this.#endWhenDone();
  }

  onConnectFailure(connection: Connection, reason: string): void {
    this.#recorder.note(`connect: ${reason}.`);
    this.#settle(connection);
    if (!this.#isStarted || this.#isEnded) return;
    const now = this.#clock();
    if (!this.#isOpenLoop) {
      if (!this.#isIssuing) return;
      this.#recorder.recordDue(now);
      this.#recorder.recordFailure('connect', this.#workload.chooseStep(this.#issued++), now);
    } else if (this.#openCount === 0) {
      // Nobody can take what is waiting: a client would be told so now.
      this.#markDue(now);
      this.#failWaiting('connect');
      this.#queueEmptyAtUs = now;
      if (!this.#isIssuing) this.#endWhenDone();
    }
  }

  #clock(): number {
    this.#nowUs = (this.#options.nowMs() - this.#startMs) * 1000;
    return this.#nowUs;
  }

  /** The connection has opened for the first time, or failed to. */
  #settle(connection: Connection): void {
    if (this.#unsettled.delete(connection) && this.#unsettled.size === 0) this.#begin();
  }

  readonly #loop = (): void => {
    if (this.#isEnded) return;
    this.#clock();
    this.#tick();
    // A closed loop is driven by answers: spinning would only take CPU from them.
    if (this.#options.spin && this.#isOpenLoop) setImmediate(this.#loop);
    else if (this.#isOpenLoop && this.#isIssuing) {
      const next = Math.min(this.#coming.dueUs, this.#durationUs);
      const waitMs = Math.max(0, (next - this.#nowUs) / 1000);
      // Timers are whole milliseconds; rounding down would wake before the request is due and then spin.
      this.#wake = setTimeout(this.#loop, Math.ceil(waitMs));
    } else this.#wake = setTimeout(this.#loop, 2);
  };

  /** Sends what is due by `#nowUs`. */
  #tick(): void {
    if (this.#isOpenLoop) {
      if (this.#coming.dueUs <= this.#nowUs) this.#markDue(this.#nowUs);
      while (this.#waiting.number < this.#coming.number) {
        const hadOneFree = this.#free.sinceUs <= this.#waiting.dueUs;
        const connection = this.#free.take();
        if (connection === undefined) break;
        if (!this.#sendNext(connection, hadOneFree)) this.#free.putBack(connection, this.#nowUs);
      }
      if (this.#waiting.number === this.#coming.number) this.#queueEmptyAtUs = this.#nowUs;
    }
    if (this.#nowUs < this.#durationUs) return;
    if (this.#isIssuing) this.#stopIssuing();
    const graceUs = Math.min(this.#timeoutUs, longestGraceUs);
    if (this.#nowUs >= this.#durationUs + graceUs) this.#end();
    else this.#endWhenDone();
  }

  /** @param nowUs records them as at least as old as they are then */
  #failWaiting(kind: FailureKind, nowUs?: number): void {
    while (this.#waiting.number < this.#coming.number) {
      const { number, dueUs } = this.#waiting;
      const ageUs = nowUs === undefined ? undefined : nowUs - dueUs;
      this.#recorder.recordFailure(kind, this.#workload.chooseStep(number), dueUs, ageUs);
      this.#waiting.advance();
    }
  }

  #markDue(nowUs: number): void {
    const limitUs = Math.min(nowUs, this.#durationUs);
    for (let marked = 0; marked < dueAtOnce; marked++) {
      const { dueUs } = this.#coming;
      if (dueUs > limitUs || dueUs >= this.#durationUs) return;
      this.#recorder.recordDue(dueUs);
      this.#coming.advance();
    }
  }

  #stopIssuing(): void {
    if (this.#isOpenLoop && this.#coming.dueUs < this.#durationUs) return;
    this.#isIssuing = false;
    // A queue that was empty within the last second comes from a stall and is late; one that was not is a rate that
    // the server does not keep, and what stands in it was not delivered even if the grace lets it through.
    const windowUs = Math.min(1e6, this.#durationUs / 2);
    if (this.#queueEmptyAtUs < this.#durationUs - windowUs) this.#undeliveredFrom = this.#waiting.number;
  }

  /** False when nothing was sent because the scenario threw. */
  #sendNext(connection: Connection, countsLag: boolean): boolean {
    const { number, dueUs } = this.#waiting;
    this.#waiting.advance();
    return this.#send(connection, number, dueUs, countsLag);
  }

  #sendClosed(connection: Connection): void {
    const number = this.#issued++;
    const now = this.#nowUs;
    if (now >= this.#durationUs) {
      this.#issued--;
      this.#free.putBack(connection, this.#nowUs);
      return;
    }
    this.#recorder.recordDue(now);
    if (this.#send(connection, number, now, false)) return;
    // A scenario that always throws must not hold up the event loop.
    setImmediate(() => {
      this.#clock();
      if (connection.isOpen && !connection.isBusy) this.onFree(connection);
    });
  }

  #sendFromAll(): void {
    this.#clock();
    for (let connection = this.#free.take(); connection !== undefined; connection = this.#free.take()) {
      this.#sendClosed(connection);
    }
  }

  #send(connection: Connection, number: number, dueUs: number, countsLag: boolean): boolean {
    const request = this.#exchange.prepare(connection, number, dueUs);
    if (request === undefined) return false;
    const now = this.#clock();
    connection.sentUs = now;
    if (countsLag) this.#recorder.recordLag(now - dueUs);
    this.#busyCount++;
    connection.send(request, this.#exchange.keepsAnswer(connection));
    return true;
  }

  /** Time limits, renewals and progress, a few times a second. */
  #sweep(): void {
    const now = this.#clock();
    for (const connection of this.#connections) {
      if (connection.isBusy && now - connection.sentUs > this.#timeoutUs) this.#timeOut(connection, now);
      if (!this.#isIssuing || !this.#exchange.isRenewalDue(connection)) continue;
      connection.needsRenewal = true;
      if (!connection.isFree) continue;
      this.#free.remove(connection);
      void this.#renew(connection);
    }
    // A second is over when everything due in it has been marked so, which a late sweep may be ahead of.
    const completeUs = this.#isOpenLoop ? Math.min(now, this.#coming.dueUs) : now;
    this.#recorder.closeSeconds(completeUs);
    this.#tellProgress(completeUs);
    if (!this.#isIssuing) this.#endWhenDone();
  }

  #tellProgress(nowUs: number): void {
    const { phase, onProgress } = this.#options;
    while (this.#nextProgress < phase.durationS && (this.#nextProgress + 1) * 1e6 <= nowUs) {
      onProgress(this.#recorder.readProgress(this.#nextProgress++));
    }
  }

  #timeOut(connection: Connection, now: number): void {
    this.#busyCount--;
    this.#recorder.recordFailure('timeout', connection.step, connection.dueUs, now - connection.dueUs);
    this.#openCount--;
    connection.abandon();
  }

  async #renew(connection: Connection): Promise<void> {
    await this.#exchange.renew(connection);
    // It may have been lost meanwhile, and even opened again and used.
    if (this.#isEnded || !connection.isOpen || connection.isBusy || connection.isFree) return;
    this.#clock();
    this.onFree(connection);
  }

  /** What ran out between two phases, before the clock starts. */
  async #renewOverdue(): Promise<void> {
    for (const connection of this.#connections) {
      if (!this.#exchange.isRenewalDue(connection)) continue;
      if (!connection.isFree) connection.needsRenewal = true;
      else {
        this.#free.remove(connection);
        await this.#renew(connection);
      }
    }
  }

  #endWhenDone(): void {
    if (this.#isIssuing || this.#busyCount > 0) return;
    if (this.#isOpenLoop && this.#waiting.number < this.#coming.number) return;
    this.#end();
  }

  /** Whatever has no outcome yet is unfinished, and at least as old as it is now. */
  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#isIssuing = false;
    const now = this.#clock();
    for (const connection of this.#connections) {
      if (!connection.isBusy) continue;
      this.#recorder.recordFailure('unfinished', connection.step, connection.dueUs, now - connection.dueUs);
    }
    if (this.#isOpenLoop) {
      while (this.#coming.dueUs <= now && this.#coming.dueUs < this.#durationUs) this.#markDue(now);
      this.#failWaiting('unfinished', now);
    }
    this.#tellProgress(now);
    this.#finish({
      answeredInTime: this.#answeredInTime,
      okInTime: this.#okInTime,
      startedAtMs: this.#startMs,
    });
  }
}
