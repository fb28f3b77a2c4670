/** Stands between the service and PostgreSQL, and lets a test break the connection at a chosen moment. */
import { connect, createServer, type Socket } from 'node:net';
import { after } from 'node:test';
import type { DatabaseAddress } from '../../src/database/client.ts';

/**
 * Where the connection breaks: the message never gets there, or its answer never comes back, or only up to its first row
 * or its error. An error in its place is said in the name of the database or of a pooler, and the connection ended.
 */
export type Break =
  | 'before it arrives'
  | 'after it arrived'
  | 'after its first row'
  | 'after its error'
  | { sqlState: string; message: string };

export type DatabaseParts = Exclude<DatabaseAddress, string>;

export interface DatabaseProxy {
  /** For the harness: the way through here. */
  reach: (address: DatabaseAddress) => Promise<DatabaseParts>;
  /** The real address, once `reach` was asked for it. */
  readonly straight: DatabaseAddress | undefined;
  /** Breaks the connection of the next statement that holds this text, once. */
  breakAt(text: string, when: Break): void;
  /** How many connections `breakAt` has broken. */
  readonly broken: number;
  /** How many bytes the database has sent. */
  readonly bytesBack: number;
  /** Cuts every connection and refuses new ones, as a server that was stopped does. */
  refuse(): void;
  /** Resets every connection; new ones are carried. */
  reset(): void;
  /** Carries nothing on the connections there are, and on new ones, as a network that swallows packets does. */
  pause(): void;
  /** As `pause`, but new connections are carried: the machine behind the address is another one now. */
  stallOpenConnections(): void;
  /** Carries everything again, also what was held back. */
  restore(): void;
}

interface Link {
  client: Socket;
  server: Socket;
  /** The server's word that the statement is done is not to get through. */
  dropsAnswer: boolean;
  /** Nothing is to get through after the first message of this type. */
  lastType: 'D' | 'E' | undefined;
  /** Texts of the statements that were prepared on it, by name: later they are asked for by name alone. */
  prepared: Map<string, string>;
}

/** Parse of the protocol: 'P', a length, name and text with a NUL each. */
const parseMessage = /P[\s\S]{4}([a-z0-9]+)\0([^\0]*)\0/g;

/** CommandComplete of the protocol; the answers before it only describe the statement. */
const completion = /C[\s\S]{4}(?:COMMIT|INSERT|UPDATE|SELECT \d)/;

function asksFor(link: Link, bytes: Buffer, text: string): boolean {
  const sent = bytes.toString('latin1');
  for (const [, name = '', statement = ''] of sent.matchAll(parseMessage)) link.prepared.set(name, statement);
  if (sent.includes(text)) return true;
  return [...link.prepared].some(
    ([name, statement]) => statement.includes(text) && sent.includes(`${name}\0`),
  );
}

export function createDatabaseProxy(): DatabaseProxy {
  let straight: DatabaseAddress | undefined;
  let mode: 'carry' | 'refuse' | 'pause' = 'carry';
  let armed: { text: string; when: Break } | undefined;
  let broken = 0;
  let bytesBack = 0;
  const links = new Set<Link>();

  function cut(link: Link): void {
    links.delete(link);
    link.client.destroy();
    link.server.destroy();
  }

  const server = createServer((client) => {
    if (mode === 'refuse' || straight === undefined) {
      client.destroy();
      return;
    }
    const link: Link = {
      client,
      server: connect(targetOf(straight)),
      dropsAnswer: false,
      lastType: undefined,
      prepared: new Map(),
    };
    links.add(link);
    for (const socket of [client, link.server]) {
      socket.on('error', () => cut(link));
      socket.on('close', () => cut(link));
      if (mode === 'pause') socket.pause();
    }
    client.on('data', (bytes: Buffer) => {
      // Always looked at, for the names of what is prepared.
      const isAwaited = asksFor(link, bytes, armed?.text ?? 'commit');
      if (armed === undefined || !isAwaited) {
        link.server.write(bytes);
        return;
      }
      const { when } = armed;
      armed = undefined;
      broken += 1;
      if (when === 'before it arrives') {
        cut(link);
      } else if (typeof when === 'object') {
        client.end(fatal(when), () => cut(link));
      } else {
        link.dropsAnswer = when === 'after it arrived';
        if (when === 'after its first row') link.lastType = 'D';
        if (when === 'after its error') link.lastType = 'E';
        link.server.write(bytes);
      }
    });
    link.server.on('data', (bytes: Buffer) => {
      bytesBack += bytes.length;
      const end = link.lastType === undefined ? undefined : endOfFirst(bytes, link.lastType);
      if (end !== undefined) client.end(bytes.subarray(0, end), () => cut(link));
      else if (link.dropsAnswer && completion.test(bytes.toString('latin1'))) cut(link);
      else client.write(bytes);
    });
    if (mode === 'pause') for (const socket of [client, link.server]) socket.pause();
  });

  after(() => {
    for (const link of links) cut(link);
    server.close();
  });

  return {
    get straight() {
      return straight;
    },
    get broken() {
      return broken;
    },
    get bytesBack() {
      return bytesBack;
    },
    async reach(address) {
      straight = address;
      const { promise, resolve } = Promise.withResolvers<void>();
      server.listen(0, '127.0.0.1', resolve);
      await promise;
      const listening = server.address();
      if (typeof address === 'string' || typeof listening !== 'object' || listening === null) {
        throw new Error('The proxy needs the address in parts.');
      }
      return { ...address, host: '127.0.0.1', port: listening.port };
    },
    breakAt(text, when) {
      armed = { text, when };
    },
    refuse() {
      mode = 'refuse';
      for (const link of links) cut(link);
    },
    reset() {
      for (const link of links) {
        link.client.resetAndDestroy();
        cut(link);
      }
    },
    pause() {
      mode = 'pause';
      this.stallOpenConnections();
    },
    stallOpenConnections() {
      for (const { client, server: there } of links) {
        client.pause();
        there.pause();
      }
    },
    restore() {
      mode = 'carry';
      for (const { client, server: there } of links) {
        client.resume();
        there.resume();
      }
    },
  };
}

/** ErrorResponse of the protocol, as a server says it that ends the connection. */
function fatal({ sqlState, message }: { sqlState: string; message: string }): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${sqlState}\0M${message}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

/** @returns where the first message of the type ends, if it is among these whole messages */
function endOfFirst(bytes: Buffer, type: 'D' | 'E'): number | undefined {
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + 1 + bytes.readInt32BE(at + 1);
    if (bytes[at] === type.charCodeAt(0)) return end;
    at = end;
  }
  return undefined;
}

function targetOf(address: DatabaseAddress) {
  if (typeof address === 'string') throw new Error('The proxy needs the address in parts.');
  const { host, port } = address;
  return host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port };
}
