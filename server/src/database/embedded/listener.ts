/** Where PostgreSQL listens: a Unix socket nobody else can reach; 127.0.0.1 with a password on Windows. */
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Identity } from './identity.ts';

export interface Listener {
  host: string;
  port: number;
  close(): void;
}

/** Only part of the socket's name: no TCP port is opened. */
const socketPort = 5432;
/** sockaddr_un holds 108 bytes with the final zero on Linux, 104 on macOS. */
const longestSocketPath = process.platform === 'darwin' ? 103 : 107;
const shortFolderPrefix = 'irontrack-socket-';

export async function openListener(clusterDir: string, identity: Identity): Promise<Listener> {
  if (process.platform === 'win32') {
    return { host: '127.0.0.1', port: await findFreePort(), close: () => {} };
  }
  // PostgreSQL keeps the cluster folder at 0700, so the socket in it is as private as the data.
  if (Buffer.byteLength(socketIn(clusterDir)) <= longestSocketPath) {
    return { host: clusterDir, port: socketPort, close: () => {} };
  }
  const short = mkdtempSync(join(Buffer.byteLength(tmpdir()) < 60 ? tmpdir() : '/tmp', shortFolderPrefix));
  if (identity.user !== undefined) chownSync(short, identity.user.uid, identity.user.gid);
  return { host: short, port: socketPort, close: () => rmSync(short, { recursive: true, force: true }) };
}

/** True for a folder that only openListener can have made, so that it may be removed after a crash. */
export function isShortSocketFolder(path: string): boolean {
  return basename(path).startsWith(shortFolderPrefix);
}

function socketIn(folder: string): string {
  return join(folder, `.s.PGSQL.${socketPort}`);
}

function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('No free TCP port'));
        else resolve(address.port);
      });
    });
  });
}
