/** The socket under a connection of the library, which tells it of an end that it would not take for one. */
import { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

/** What the library has made of an address. */
interface Target {
  host: readonly string[];
  port: readonly number[];
  /** Of a Unix socket, in place of the two. */
  path: string | false;
}

export interface SocketOpener {
  /** For the option `socket` of the library, with an address that has several hosts one after the other. */
  open(target: Target): Promise<Socket>;
  /** Opens no more, and gives up those that are being opened: the library would open them after its end. */
  close(): void;
}

/**
 * A proxy whose database is away often takes a connection and closes it without a word. The library would then connect
 * again and again without a pause, a thousand times a second, and its first statement wait all the while (postgres.js
 * 3.4.9, issue 1193): here that is an error, as a refused connection is, which fails the statement at once and is followed
 * by the pause of `backoff`.
 *
 * @param delayMs until the first is opened
 */
export function createSocketOpener(delayMs = 0): SocketOpener {
  const notBefore = performance.now() + delayMs;
  const opening = new Set<Socket>();
  let isClosed = false;
  let turn = 0;
  return {
    async open({ host, port, path }) {
      const leftMs = notBefore - performance.now();
      if (leftMs > 0) await wait(leftMs, undefined, { ref: false });
      if (isClosed) throw new Error('Nothing is opened any more.');
      const socket = new Socket();
      opening.add(socket);
      socket.once('connect', () => opening.delete(socket));
      socket.once('close', () => opening.delete(socket));
      socket.once('end', () => {
        if (socket.bytesRead > 0) return;
        const code = 'ECONNRESET';
        socket.destroy(
          Object.assign(new Error('The database closed the connection without a word.'), { code }),
        );
      });
      const at = turn % host.length;
      turn += 1;
      const place = { host: host[at] ?? 'localhost', port: port[at % port.length] ?? 5432 };
      // The library looks here for the name in the certificate, and for its own errors.
      if (path === false) Object.assign(socket, place);
      // Some addresses fail at once: not before the library, which awaits what it is given, listens for that.
      queueMicrotask(() => {
        if (path === false) socket.connect(place);
        else socket.connect(path);
      });
      return socket;
    },
    close() {
      isClosed = true;
      for (const socket of opening) socket.destroy();
    },
  };
}
