/** The receiver of the flood, in a thread of its own so that its thousands a second do not delay what is measured. */
import { createServer } from 'node:http';
import { parentPort } from 'node:worker_threads';

let received = 0;
const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    received += 1;
    response.end('ok');
  });
});
server.listen(0, '127.0.0.1', () => {
  const bound = server.address();
  parentPort?.postMessage(typeof bound === 'object' && bound !== null ? bound.port : 0);
});
parentPort?.on('message', () => parentPort?.postMessage(received));
