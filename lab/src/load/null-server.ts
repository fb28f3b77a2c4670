/**
 * A server that does nothing but answer: what remains of a latency is the generator's own. Started as a process by
 * `doctor` and the benches.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { exitStatus, LabError } from '../exit-status.ts';

export interface NullServer {
  url: string;
  pid: number;
  stop(): Promise<void>;
}

const answer = Buffer.from(
  'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok',
);
const headEnd = '\r\n\r\n';

export interface NullServerOptions {
  /** As `taskset -c` takes them; null leaves the process where the kernel puts it. */
  cores: string | null;
  /** Block the event loop for `stallMs` at the start of each `periodMs`. */
  stall?: { periodMs: number; stallMs: number };
}

/** @throws LabError when it does not start */
export async function startNullServer(options: NullServerOptions): Promise<NullServer> {
  const { periodMs, stallMs } = options.stall ?? { periodMs: 0, stallMs: 0 };
  const command = [process.execPath, fileURLToPath(import.meta.url), String(periodMs), String(stallMs)];
  const [program = '', ...args] =
    options.cores === null ? command : ['taskset', '-c', options.cores, ...command];
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  const port = await readPort(child);
  return {
    url: `http://127.0.0.1:${port}/`,
    pid: child.pid ?? 0,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill();
      await exited;
    },
  };
}

async function readPort(child: ChildProcess): Promise<number> {
  const failed = new Promise<never>((_, reject) => {
    const say = (how: string) =>
      reject(new LabError(exitStatus.tool, `The null server did not start: ${how}.`));
    child.once('error', (error) => say(error.message));
    child.once('exit', (code, signal) => say(`it ended with ${signal ?? `status ${code}`}`));
  });
  if (child.stdout === null) throw new LabError(exitStatus.tool, 'The null server has no output.');
  const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), failed]);
  failed.catch(() => undefined);
  return Number(line);
}

/** Answers as many requests as there are ends of heads; only for requests without a body. */
function serve(periodMs: number, stallMs: number): void {
  const server = createServer({ noDelay: true }, (socket) => {
    let tail = '';
    socket.on('data', (chunk: Buffer) => {
      if (tail === '' && chunk.indexOf(headEnd) === chunk.length - headEnd.length) {
        socket.write(answer);
        return;
      }
      const parts = (tail + chunk.toString('latin1')).split(headEnd);
      tail = parts.at(-1) ?? '';
      for (let count = parts.length - 1; count > 0; count--) socket.write(answer);
    });
    socket.on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    if (typeof address === 'object' && address !== null) process.stdout.write(`${address.port}\n`);
  });
  if (periodMs > 0) stallEach(periodMs, stallMs);
  // Ends with the process that started it, however that ends.
  process.stdin.resume().once('end', () => process.exit(0));
}

/** By absolute times: an interval that begins anew after each stall would drift. */
function stallEach(periodMs: number, stallMs: number): void {
  const stall = (startMs: number) => {
    const wakeMs = startMs + stallMs;
    while (performance.now() < wakeMs);
    const nextMs = startMs + periodMs;
    setTimeout(() => stall(nextMs), nextMs - performance.now());
  };
  stall(performance.now());
}

if (import.meta.main) serve(Number(process.argv[2] ?? 0), Number(process.argv[3] ?? 0));
