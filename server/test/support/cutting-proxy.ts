/** Carries TCP connections to a port, until a test cuts them or lets them hang. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { after } from 'node:test';

export interface CuttingProxy {
  port: number;
  /** Ends every connection and refuses new ones. */
  cut(): void;
  /** Carries nothing any more, on old connections and new ones, and ends none: a network that swallows packets. */
  swallow(): void;
  /** Carries new connections; those that hung are ended. */
  restore(): void;
}

export async function startCuttingProxy(targetPort: number): Promise<CuttingProxy> {
  let mode: 'carry' | 'cut' | 'swallow' = 'carry';
  const sockets = new Set<Socket>();

  function hold(socket: Socket): void {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  }
  const server = createServer((client) => {
    if (mode === 'cut') {
      client.destroy();
      return;
    }
    hold(client);
    const there = connect({ host: '127.0.0.1', port: targetPort });
    hold(there);
    client.pipe(there).pipe(client);
    client.on('close', () => there.destroy());
    there.on('close', () => client.destroy());
    if (mode === 'swallow') for (const socket of [client, there]) socket.unpipe();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  after(() => {
    endAll();
    server.close();
  });
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return {
    port: address.port,
    cut() {
      mode = 'cut';
      endAll();
    },
    swallow() {
      mode = 'swallow';
      for (const socket of sockets) socket.unpipe();
    },
    restore() {
      endAll();
      mode = 'carry';
    },
  };
}
