/** A server whose every answer costs so many microseconds of CPU: PORT and BUSY_US come from the environment. */
import { createServer } from 'node:http';

const busyUs = Number(process.env.BUSY_US ?? '0');

function burn(us: number): void {
  const until = performance.now() + us / 1000;
  while (performance.now() < until);
}

createServer((_request, response) => {
  burn(busyUs);
  response.end('done');
}).listen(Number(process.env.PORT), '127.0.0.1');
