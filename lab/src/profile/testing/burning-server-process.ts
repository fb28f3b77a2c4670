/** Starts the burning server as a process of its own and keeps it busy, for tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { fileURLToPath } from 'node:url';

export const burningServerPath = fileURLToPath(new URL('burning-server.ts', import.meta.url));

export interface BurningServer {
  pid: number;
  url: string;
  /** Asks for one path after the other until the function it gives is called. */
  keepAsking(...paths: string[]): () => Promise<void>;
  stop(): Promise<void>;
}

/** @param args for Node, before the script; its inspector takes any free port, as tests run side by side */
export async function startBurningServer(
  args = ['--inspect-port=0', burningServerPath],
): Promise<BurningServer> {
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  child.stdout?.setEncoding('utf8');
  while (!text.includes('\n')) {
    const [chunk] = await once(child.stdout ?? child, 'data');
    text += chunk;
  }
  const url = `http://127.0.0.1:${Number(text)}`;
  const agent = new Agent({ keepAlive: true });

  function ask(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      get(`${url}${path}`, { agent }, (response) => {
        response.resume();
        response.on('end', resolve);
      }).on('error', reject);
    });
  }

  function keepAsking(...paths: string[]): () => Promise<void> {
    let isOn = true;
    const done = (async () => {
      while (isOn) for (const path of paths) await ask(path);
    })();
    return () => {
      isOn = false;
      return done;
    };
  }

  async function stop(): Promise<void> {
    agent.destroy();
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }

  return { pid: child.pid ?? 0, url, keepAsking, stop };
}
