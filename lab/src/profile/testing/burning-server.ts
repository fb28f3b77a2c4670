/** A server with known faults, for tests: a hot function, a handler that blocks, one that makes garbage. */
import { createServer } from 'node:http';

function burnTheCpu(rounds: number): number {
  let sum = 0;
  for (let round = 1; round < rounds; round += 1) sum += Math.sqrt(round) / (sum + 1);
  return sum;
}

function blockForLong(lengthMs: number): void {
  const until = performance.now() + lengthMs;
  while (performance.now() < until) burnTheCpu(1000);
}

let kept: object[] = [];

function makeGarbage(): void {
  for (let index = 0; index < 20_000; index += 1) kept.push({ index, text: `${index}` });
  if (kept.length > 200_000) kept = [];
}

const server = createServer((request, response) => {
  if (request.url === '/block') blockForLong(100);
  else if (request.url === '/garbage') makeGarbage();
  else if (request.url !== '/idle') burnTheCpu(500_000);
  response.end('done\n');
});
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`);
});
