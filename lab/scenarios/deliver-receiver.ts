/** The receiver of the example deliver, in a thread of its own so that it does not hold up the load. */
import { createServer } from 'node:http';
import { parentPort } from 'node:worker_threads';

const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => response.writeHead(204).end());
});
server.listen(0, '127.0.0.1', () => {
  const bound = server.address();
  parentPort?.postMessage(typeof bound === 'object' && bound !== null ? bound.port : 0);
});
