/** What a process that serves nobody answers all the same: is it alive, can it work, and its metrics. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { explainListening } from './listen-errors.ts';

interface Needs {
  host: string;
  /** 0 picks a free one. */
  port: number;
  /** Whether it can work now: not draining, and the database answers. Must not throw. */
  isReady: () => Promise<boolean>;
  metrics: { readonly contentType: string; metrics(): Promise<string> };
}

export interface WorkerProbes {
  /** Where it listens. */
  url: string;
  close(): Promise<void>;
}

const json = 'application/json; charset=utf-8';
const text = 'text/plain; charset=utf-8';

/** A probe that takes longer than this is of no use to who asks. */
const longestRequestMs = 5_000;

/** @throws StartupError 69 or 78 when it cannot listen there */
export async function openWorkerProbes({ host, port, isReady, metrics }: Needs): Promise<WorkerProbes> {
  async function answer(path: string, response: ServerResponse): Promise<void> {
    const send = (status: number, type: string, body: string) => {
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
    };
    if (path === '/health/live') send(200, json, '{"status":"ok"}');
    else if (path === '/health/ready') {
      const ready = await isReady();
      send(ready ? 200 : 503, json, ready ? '{"status":"ok"}' : '{"status":"not ready"}');
    } else if (path === '/metrics') send(200, metrics.contentType, await metrics.metrics());
    else send(404, text, 'There are /metrics, /health/live and /health/ready.\n');
  }

  const server = createServer({ requestTimeout: longestRequestMs }, (request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
      return;
    }
    answer(request.url ?? '', response).catch(() => response.destroy());
  });
  try {
    await once(server.listen(port, host), 'listening');
  } catch (error) {
    throw explainListening(error, { listen: { host, port } }, 'WORKER_METRICS_PORT');
  }
  const address = server.address();
  const boundPort = typeof address === 'object' && address !== null ? address.port : port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${boundPort}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
