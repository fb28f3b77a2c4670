/** The body of one answer, as far as somebody will look at it. */

/**
 * One buffer that doubles, not a list of pieces: a server that sends 16 MiB in chunks of one byte would make 16 million
 * objects of it.
 */
export class KeptBody {
  #bytes = Buffer.alloc(0);
  #length = 0;

  /** Copies: the piece may be overwritten afterwards. */
  add(piece: Buffer, from = 0, to = piece.length): void {
    const length = this.#length + to - from;
    if (length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(length, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    piece.copy(this.#bytes, this.#length, from, to);
    this.#length = length;
  }

  /** Stays as it is whatever is added after `clear`. */
  read(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    if (this.#length === 0) return;
    this.#bytes = Buffer.alloc(0);
    this.#length = 0;
  }
}
