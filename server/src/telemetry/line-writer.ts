/** Writes log lines to a descriptor in large chunks, off the event loop, and never lets them grow without bound. */
import fs from 'node:fs';

/** What one asynchronous write is: node's fs.write narrowed to what is used, so that a test can stand in for it. */
export type WriteChunk = (
  fd: number,
  chunk: Buffer,
  offset: number,
  length: number,
  done: (error: NodeJS.ErrnoException | null, written: number) => void,
) => void;

interface LineWriterOptions {
  /** Where the lines go; 1 is standard output. Nobody else may write there, or lines interleave, unless it is shared. */
  fd: number;
  /** Other processes write there too: at most `atomicBytes` are written at once, and whole lines. */
  sharesFd?: boolean;
  /** Bytes that may wait for a slow reader before lines are dropped. */
  maxWaitingBytes?: number;
  /** The longest a line waits for company. */
  maxDelayMs?: number;
  /** The line, with its newline, that says lines were dropped, written once there is room again. */
  describeDropped?: (count: number) => string;
  write?: WriteChunk;
}

// 64 KiB a write: 15,000 lines a second are then 30 writes a second. The slack lets a 4 KiB string of three-byte
// characters be encoded without asking for its exact length first.
const chunkBytes = 64 * 1024;
const chunkCapacity = chunkBytes + 16 * 1024;
// Short strings are joined up to this length before they are encoded: encoding each line by itself cost 3 % of
// /ping, joining 64 KiB cost 5 % (the rope no longer fits the cache when it is flattened).
const joinLength = 4096;
// PIPE_BUF on Linux: what several processes write to one pipe in pieces up to this size is not mixed up (pipe(7)). A
// file takes any size whole. 12 MB of lines a second, as of 50,000 answers, are 3,000 writes then.
const atomicBytes = 4096;
const retryDelayMs = 10;
const newline = 0x0a;

/** Ownership of one descriptor: everything the process logs goes through one of these. */
export class LineWriter {
  readonly #fd: number;
  readonly #maxWaitingBytes: number;
  readonly #maxDelayMs: number;
  readonly #describeDropped: (count: number) => string;
  readonly #write: WriteChunk;
  readonly #mostBytes: number;
  #joined = '';
  #chunk: Buffer = Buffer.allocUnsafeSlow(chunkCapacity);
  #used = 0;
  readonly #full: Buffer[] = [];
  #fullBytes = 0;
  #spare: Buffer | undefined;
  #writtenOfFirst = 0;
  #inFlight = false;
  #resting = false;
  #armed = false;
  #broken = false;
  #dropped = 0;
  #droppedUnsaid = 0;
  #drained: (() => void)[] = [];

  constructor(options: LineWriterOptions) {
    this.#fd = options.fd;
    this.#mostBytes =
      options.sharesFd === true && !fs.fstatSync(options.fd).isFile()
        ? atomicBytes
        : Number.POSITIVE_INFINITY;
    this.#maxWaitingBytes = options.maxWaitingBytes ?? 16 * 1024 * 1024;
    this.#maxDelayMs = options.maxDelayMs ?? 100;
    this.#describeDropped = options.describeDropped ?? ((count) => `{"level":40,"droppedLines":${count}}\n`);
    this.#write =
      options.write ?? ((fd, chunk, offset, length, done) => fs.write(fd, chunk, offset, length, null, done));
  }

  /** Lines lost since the start because the reader was too slow or gone. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Bytes waiting, about: what is not encoded yet counts a byte a character. */
  get waitingBytes(): number {
    return this.#fullBytes + this.#used + this.#joined.length;
  }

  /**
   * Takes one line, newline included; returns at once. The name and shape are those of a stream, so that pino can
   * write here too.
   */
  write(line: string): void {
    if (this.#fullBytes >= this.#maxWaitingBytes || this.#broken) {
      this.#dropped++;
      this.#droppedUnsaid++;
      return;
    }
    this.#joined += line;
    if (this.#joined.length >= joinLength) this.#encode();
    if (!this.#armed) this.#arm();
  }

  /** Resolves when everything taken so far is written, dropped or refused for good. */
  drain(): Promise<void> {
    this.#seal();
    this.#next();
    if (this.#full.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  /**
   * Writes what is left before the process ends, waiting for a slow reader at most a second. A chunk handed to the
   * thread pool just before is left to it: writing it again would print its lines twice.
   */
  flushSync(): void {
    this.#seal();
    const rest = this.#inFlight ? this.#full.splice(1) : this.#full.splice(0);
    let offset = this.#inFlight ? 0 : this.#writtenOfFirst;
    this.#fullBytes = this.#inFlight ? (this.#full[0]?.length ?? 0) : 0;
    if (!this.#inFlight) this.#writtenOfFirst = 0;
    const giveUpAt = performance.now() + 1000;
    for (const chunk of rest) {
      while (offset < chunk.length && !this.#broken) {
        try {
          offset += fs.writeSync(this.#fd, chunk, offset, this.#pieceOf(chunk, offset));
        } catch (error) {
          if (!isRetryable(error) || performance.now() > giveUpAt) this.#broken = true;
          else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, retryDelayMs);
        }
      }
      if (this.#broken) this.#countDropped(chunk.subarray(offset));
      offset = 0;
    }
  }

  #arm(): void {
    this.#armed = true;
    const timer = setTimeout(() => {
      this.#armed = false;
      this.#seal();
      this.#next();
    }, this.#maxDelayMs);
    // A waiting line must not keep a finished command alive; flushSync at exit writes it.
    timer.unref();
  }

  #encode(): void {
    const text = this.#joined;
    this.#joined = '';
    if (text.length * 3 > chunkCapacity) {
      // A line longer than a chunk (a stack inside a stack) goes out as a chunk of its own.
      this.#seal();
      this.#push(Buffer.from(text));
    } else {
      if (this.#used + text.length * 3 > chunkCapacity) this.#seal();
      this.#used += this.#chunk.write(text, this.#used);
      if (this.#used >= chunkBytes) this.#seal();
    }
    this.#next();
  }

  #seal(): void {
    if (this.#joined !== '') this.#encode();
    if (this.#used === 0) return;
    const chunk = this.#chunk.subarray(0, this.#used);
    this.#chunk = this.#spare ?? Buffer.allocUnsafeSlow(chunkCapacity);
    this.#spare = undefined;
    this.#used = 0;
    this.#push(chunk);
  }

  #push(chunk: Buffer): void {
    this.#full.push(chunk);
    this.#fullBytes += chunk.length;
  }

  #next(): void {
    const first = this.#full[0];
    if (this.#inFlight || this.#resting || first === undefined) return;
    this.#inFlight = true;
    const offset = this.#writtenOfFirst;
    this.#write(this.#fd, first, offset, this.#pieceOf(first, offset), (error, written) => {
      this.#inFlight = false;
      if (error !== null) return this.#fail(error, first);
      this.#writtenOfFirst = offset + written;
      if (this.#writtenOfFirst >= first.length) this.#shift(first);
      this.#continue();
    });
  }

  /** How many bytes to write at once: all, or as many whole lines as others cannot come between. */
  #pieceOf(chunk: Buffer, offset: number): number {
    const left = chunk.length - offset;
    if (left <= this.#mostBytes) return left;
    const last = chunk.lastIndexOf(newline, offset + this.#mostBytes - 1);
    if (last >= offset) return last + 1 - offset;
    const next = chunk.indexOf(newline, offset);
    return next === -1 ? left : next + 1 - offset;
  }

  #fail(error: NodeJS.ErrnoException, first: Buffer): void {
    if (isRetryable(error)) {
      // A non-blocking pipe whose reader is behind.
      this.#resting = true;
      setTimeout(() => {
        this.#resting = false;
        this.#continue();
      }, retryDelayMs).unref();
      return;
    }
    // A full disk may have room again later; a reader that has gone (EPIPE) or a closed descriptor never returns.
    this.#countDropped(first.subarray(this.#writtenOfFirst));
    this.#shift(first);
    if (error.code === 'EPIPE' || error.code === 'EBADF') {
      this.#broken = true;
      for (const chunk of this.#full.splice(0)) this.#countDropped(chunk);
      this.#fullBytes = 0;
    }
    this.#continue();
  }

  #shift(first: Buffer): void {
    this.#full.shift();
    this.#fullBytes -= first.length;
    this.#writtenOfFirst = 0;
    if (first.buffer.byteLength === chunkCapacity) this.#spare = Buffer.from(first.buffer);
  }

  #continue(): void {
    // Said between two chunks, so never in the middle of a line, and only when half the room is free again.
    if (this.#droppedUnsaid > 0 && !this.#broken && this.#fullBytes <= this.#maxWaitingBytes / 2) {
      const count = this.#droppedUnsaid;
      this.#droppedUnsaid = 0;
      this.write(this.#describeDropped(count));
    }
    this.#next();
    if (this.#full.length > 0) return;
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  #countDropped(chunk: Buffer): void {
    let lines = 0;
    for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, at + 1)) lines++;
    this.#dropped += lines;
    this.#droppedUnsaid += lines;
  }
}

function isRetryable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EAGAIN' || error.code === 'EINTR');
}
