/** A client of the Chrome DevTools Protocol, as small as profiling needs: calls with answers, no events. */
import { setTimeout as sleep } from 'node:timers/promises';
import { exitStatus, LabError } from '../exit-status.ts';
import { findInspector, listListeningPorts } from './find-inspector.ts';

/** Which process to talk to: by its PID, or by the ws:// URL that `node --inspect` printed. */
export type InspectorTarget = { pid: number } | { inspectorUrl: string };

export interface Inspector {
  url: string;
  /**
   * Calls a method of the protocol and gives its result, unchecked.
   *
   * @throws LabError (tool) when the target refuses the call or the connection ends first
   */
  call(method: string, parameters?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Evaluates an expression in the target and gives its value, as JSON carries it. */
  evaluate(expression: string): Promise<unknown>;
  /** Leaves, and shuts the target's inspector when it was this client that opened it. */
  close(): Promise<void>;
}

const connectTimeoutMs = 5000;

/** @throws LabError (tool) with what to do, when there is no such process or no inspector in it */
export async function openInspector(target: InspectorTarget): Promise<Inspector> {
  const found =
    'pid' in target ? await findInspector(target.pid) : { url: target.inspectorUrl, openedByUs: false };
  const socket = await connect(found.url);
  const calls = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  let lastId = 0;

  socket.addEventListener('message', (event) => {
    const answer: unknown = JSON.parse(String(event.data));
    const id = field(answer, 'id');
    const call = typeof id === 'number' ? calls.get(id) : undefined;
    if (typeof id !== 'number' || call === undefined) return;
    calls.delete(id);
    const refusal = field(answer, 'error');
    if (refusal === undefined) call.resolve(field(answer, 'result'));
    else call.reject(toolError(`The inspector refused: ${String(field(refusal, 'message'))}.`));
  });
  socket.addEventListener('close', () => {
    for (const { reject } of calls.values()) {
      reject(toolError('The server ended, or closed its inspector, before the profile was complete.'));
    }
    calls.clear();
  });

  function call(method: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    if (socket.readyState !== WebSocket.OPEN) {
      return Promise.reject(toolError('The server ended, or closed its inspector, while it was profiled.'));
    }
    lastId += 1;
    const id = lastId;
    return new Promise((resolve, reject) => {
      calls.set(id, { resolve, reject });
      socket.send(JSON.stringify({ id, method, params: parameters }));
    });
  }

  async function evaluate(expression: string): Promise<unknown> {
    const answer = await call('Runtime.evaluate', { expression, returnByValue: true, silent: true });
    const thrown = field(answer, 'exceptionDetails');
    if (thrown !== undefined) {
      const reason = field(field(thrown, 'exception'), 'description') ?? field(thrown, 'text');
      throw toolError(`The server could not evaluate the probe of the lab: ${String(reason)}.`);
    }
    return field(field(answer, 'result'), 'value');
  }

  async function close(): Promise<void> {
    if (socket.readyState !== WebSocket.OPEN) return;
    // inspector.close() waits for its clients to leave, with the event loop stopped: so we leave first, and the
    // timer closes it after that. Node 20 has no getBuiltinModule; there the inspector stays open.
    if (found.openedByUs) {
      const shut = "setTimeout(() => process.getBuiltinModule?.('node:inspector').close(), 20).unref(); 0";
      await evaluate(shut).catch(() => undefined);
    }
    const left = new Promise<void>((resolve) => {
      socket.addEventListener('close', () => resolve(), { once: true });
    });
    socket.close();
    await Promise.race([left, sleep(1000, undefined, { ref: false })]);
    if (found.openedByUs && 'pid' in target) await waitUntilShut(target.pid, found.url);
  }

  return { url: found.url, call, evaluate, close };
}

/** A second profile that began before the first inspector has shut would find it, and lose it. */
async function waitUntilShut(pid: number, url: string): Promise<void> {
  const port = Number(new URL(url).port);
  const deadline = performance.now() + 2000;
  while (listListeningPorts(pid).includes(port) && performance.now() < deadline) await sleep(10);
}

async function connect(url: string): Promise<WebSocket> {
  let socket: WebSocket;
  try {
    socket = new WebSocket(url);
  } catch (error) {
    throw toolError(`${url} is no inspector URL: give the ws:// address that node --inspect printed.`, error);
  }
  return new Promise((resolve, reject) => {
    const fail = (): void => {
      reject(
        toolError(`No inspector answers at ${url}: start the server with node --inspect, or give --pid.`),
      );
    };
    const timer = setTimeout(() => {
      socket.close();
      fail();
    }, connectTimeoutMs);
    const settle = (act: () => void) => (): void => {
      clearTimeout(timer);
      act();
    };
    socket.addEventListener(
      'open',
      settle(() => resolve(socket)),
      { once: true },
    );
    socket.addEventListener('error', settle(fail), { once: true });
    socket.addEventListener('close', settle(fail), { once: true });
  });
}

function toolError(sentence: string, cause?: unknown): LabError {
  return new LabError(exitStatus.tool, sentence, { cause });
}

/** A field of something that came from outside; undefined when it is not there. */
export function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
