import { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

type TakeBytes = (body: Buffer) => void;

/**
 * A request whose body can be handed over as the parser reads it, past the machinery of streams: the events, the turns
 * of the loop between them and the buffers in between took 2.3 us of the 16 that node:http needs for a post of 300 bytes.
 * The parser gives a body to `push`, as every source of a Readable does; everybody else's body goes that way unchanged.
 */
export class DirectRequest extends IncomingMessage {
  /** Undefined: the body is a stream like any other. */
  takeBytes: TakeBytes | undefined = undefined;
  first: Buffer | undefined = undefined;
  all: Buffer[] | undefined = undefined;
  isTaken = false;

  /**
   * Hands the whole body over, at once when it ends, inside the parser's own turn. Call it before any of the body was
   * read, and only for a body whose length is known and bounded. A client that leaves earlier is never heard of again.
   */
  whenComplete(take: TakeBytes): void {
    this.takeBytes = take;
  }

  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    const { takeBytes } = this;
    if (takeBytes === undefined) return super.push(chunk, encoding);
    if (chunk === null) {
      this.isTaken = true;
      takeBytes(this.all === undefined ? (this.first ?? nothing) : Buffer.concat(this.all));
      return false;
    }
    if (Buffer.isBuffer(chunk)) this.#keep(chunk);
    return true;
  }

  #keep(chunk: Buffer): void {
    if (this.first === undefined) {
      this.first = chunk;
    } else {
      this.all ??= [this.first];
      this.all.push(chunk);
    }
  }

  static {
    // node:http asks for it before it lets go of a request that was answered. A property to its types, an accessor in fact.
    const inherited = Object.getOwnPropertyDescriptor(Readable.prototype, 'readableEnded')?.get;
    Object.defineProperty(DirectRequest.prototype, 'readableEnded', {
      get(this: DirectRequest): boolean {
        return this.isTaken || inherited?.call(this) === true;
      },
    });
  }
}

const nothing = Buffer.alloc(0);
