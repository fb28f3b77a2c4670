/**
 * Measures every figure of docs/performance.md on this machine and prints it as Markdown. Needs wrk and two cores.
 * One part at a time, some minutes each: ping me lists largeLists log refresh growth passwords costs pressure start memory. Without a name, all.
 *
 * node tools/bench/figures.ts [part ...]
 */
import { execFile } from 'node:child_process';
import { argon2 } from 'node:crypto';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { hash } from '@node-rs/argon2';
import { descendants } from '../../server/test/topology/processes.ts';
import { compareWithBare } from './beside-bare.ts';
import { measureGrowth } from './growth.ts';
import { measureLists } from './lists.ts';
import { enter, residentMb, type Serving, startServing, withServing } from './serving.ts';
import { describe } from './spread.ts';
import { readThreadCpuMs, subtract } from './thread-cpu.ts';

const run = promisify(execFile);
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const say = (line: string) => process.stdout.write(`${line}\n`);

const parts: Readonly<Record<string, () => Promise<void>>> = {
  async ping() {
    say('\n### GET /ping\n');
    await withServing({ core: 0 }, (serving) => compareWithBare(say, serving, '/ping', []));
  },

  async me() {
    await withServing({ core: 0 }, async (serving) => {
      const { accessToken } = await enter(serving.url);
      say('\n### GET /api/v1/access/me by cookie\n');
      await compareWithBare(say, serving, '/api/v1/access/me', [`cookie: access_token=${accessToken}`]);
      say('\n### GET /api/v1/access/me by bearer\n');
      await compareWithBare(say, serving, '/api/v1/access/me', [`authorization: Bearer ${accessToken}`]);
    });
  },

  lists: () => measureLists(say, 1_000),

  largeLists: () => measureLists(say, 500_000),

  async log() {
    say('\n### The request log: /ping without it (warn) beside /ping with it (info)\n');
    await withServing({ core: 0, environment: { LOG_LEVEL: 'warn' } }, (quiet) =>
      withServing({ core: 0 }, async (logging) => {
        const pids = ['--pid', `without=${quiet.pid}`, '--pid', `with=${logging.pid}`];
        const targets = [`without=${quiet.url}/ping`, `with=${logging.url}/ping`];
        const args = [here('compare.ts'), '--rounds', '15', ...pids, ...targets];
        say((await run(process.execPath, args)).stdout);
      }),
    );
  },

  async refresh() {
    say('\n### Refresh with rotation, service on core 0, PostgreSQL and wrk on core 1, 50 connections\n');
    const cheap = { ARGON2_MEMORY_KIB: '64', ARGON2_PASSES: '1' };
    await withServing({ core: 0, environment: cheap }, async (serving) => {
      const rates: number[] = [];
      for (let round = 0; round < 8; round += 1) {
        const folder = mkdtempSync(join(tmpdir(), 'irontrack-tokens-'));
        for (let made = 0; made < 100; made += 1) {
          appendFileSync(join(folder, 'tokens'), `${(await enter(serving.url)).refreshToken}\n`);
        }
        const url = `${serving.url}/api/v1/auth/refresh`;
        const wrk = [
          'wrk',
          '-t1',
          '-c50',
          '-d4s',
          '-s',
          here('refresh.lua'),
          url,
          '--',
          join(folder, 'tokens'),
        ];
        const { stdout } = await run('taskset', ['-c', '1', ...wrk]);
        if (/Non-2xx/.test(stdout)) throw new Error(stdout);
        // The first round warms up.
        if (round > 0) rates.push(Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]));
        rmSync(folder, { recursive: true });
      }
      say(`rotations/s: ${describe(rates)}`);
    });
  },

  growth: () => measureGrowth(say),

  async passwords() {
    say(
      '\n### Sign-in and sign-up against what the machine can hash, Argon2id 64 MiB, 3 passes, all cores\n',
    );
    const slots = Math.min(cpus().length, 4);
    await withServing({}, async (serving) => {
      const person = await enter(serving.url);
      const rows: Record<string, number[]> = { machine: [], signIn: [], signUp: [], cLibrary: [] };
      let serial = 0;
      for (let round = 0; round < 7; round += 1) {
        rows.machine?.push(await repeat(slots, 4, () => hash('Correct-Horse-7', hashOptions)));
        rows.signIn?.push(await repeat(slots + 2, 4, () => post(serving, '/api/v1/auth/login', person, 200)));
        rows.cLibrary?.push(await repeat(slots, 4, hashInNode));
        rows.signUp?.push(
          await repeat(slots + 2, 4, () => {
            serial += 1;
            const email = `p${serial}-${Date.now()}@example.org`;
            return post(serving, '/api/v1/auth/register', { email, password: person.password }, 201);
          }),
        );
      }
      for (const [name, rates] of Object.entries(rows)) {
        const ratios = rates.map((rate, index) => rate / (rows.machine?.[index] ?? Number.NaN));
        say(`${name}: ${describe(rates)} a second, of the machine ${describe(ratios, 3)}`);
      }
    });
  },

  async costs() {
    say(
      '\n### CPU per hash and per sign-in, milliseconds by thread; client and PostgreSQL on the same cores\n',
    );
    const slots = Math.min(cpus().length, 4);
    await withServing({}, async (serving) => {
      const person = await enter(serving.url);
      const snapshot = () => ({
        client: readThreadCpuMs(process.pid),
        service: readThreadCpuMs(serving.pid),
        PostgreSQL: new Map([['all', sumOf(descendants(serving.pid).map(readThreadCpuMs))]]),
      });
      const work = {
        hash: { lanes: slots, once: () => hash('Correct-Horse-7', hashOptions) },
        'sign-in': { lanes: slots + 2, once: () => post(serving, '/api/v1/auth/login', person, 200) },
      };
      for (let round = 0; round < 3; round += 1) {
        for (const [name, { lanes, once }] of Object.entries(work)) {
          const before = snapshot();
          const perSecond = await repeat(lanes, 8, once);
          const after = snapshot();
          const shares = (['service', 'PostgreSQL', 'client'] as const).flatMap((part) =>
            [...subtract(after[part], before[part])]
              .map(([thread, ms]) => ({ thread, ms: ms / (perSecond * 8) }))
              .filter(({ ms }) => ms >= 0.05)
              .map(({ thread, ms }) => `${part} ${thread} ${ms.toFixed(2)}`),
          );
          say(`${name}: ${perSecond.toFixed(1)} a second; ${shares.join(', ')}`);
        }
      }
    });
  },

  async pressure() {
    say('\n### GET /me, 200 a second, idle and while 100 connections sign in without pause, all cores\n');
    await withServing({}, async (serving) => {
      const { accessToken, email, password } = await enter(serving.url);
      const url = `${serving.url}/api/v1/access/me`;
      const probe = [here('latency.ts'), url, '--cookie', `access_token=${accessToken}`, '--seconds', '8'];
      const crowd = [here('latency.ts'), url, '--sign-ins', '100', '--email', email, '--password', password];
      for (let round = 0; round < 10; round += 1) {
        say(`idle:    ${(await run(process.execPath, probe)).stdout.trim()}`);
        const signingIn = run(process.execPath, [...crowd, '--seconds', '10']);
        await new Promise((resolve) => setTimeout(resolve, 1000));
        const pressed = (await run(process.execPath, probe)).stdout.trim();
        say(`pressed: ${pressed} ${(await signingIn).stdout.trim()}`);
      }
    });
  },

  async start() {
    say('\n### From the start of the process to its first answer, existing database\n');
    const folder = mkdtempSync(join(tmpdir(), 'irontrack-start-'));
    const times: number[] = [];
    for (let round = 0; round < 12; round += 1) {
      const serving = await startServing({ dataDir: folder });
      await serving.stop();
      if (round > 1) times.push(serving.startedInMs);
    }
    rmSync(folder, { recursive: true, force: true });
    say(`ms: ${describe(times)}`);
  },

  async memory() {
    say('\n### Resident memory of the service process, MB\n');
    await withServing({}, async (serving) => {
      await new Promise((resolve) => setTimeout(resolve, 3000));
      say(`idle: ${residentMb(serving.pid).toFixed(0)}`);
      const person = await enter(serving.url);
      for (const clients of [1, 2]) {
        let most = 0;
        const watch = setInterval(() => {
          most = Math.max(most, residentMb(serving.pid));
        }, 5);
        await repeat(clients, 4, () => post(serving, '/api/v1/auth/login', person, 200));
        clearInterval(watch);
        say(`${clients} password(s) being hashed, highest: ${most.toFixed(0)}`);
      }
      const header = `cookie: access_token=${person.accessToken}`;
      for (let minute = 1; minute <= 4; minute += 1) {
        await run('wrk', ['-t1', '-c50', '-d30s', '-H', header, `${serving.url}/api/v1/access/me`]);
        say(`after ${minute * 30} s of /me at full rate: ${residentMb(serving.pid).toFixed(0)}`);
      }
      const database = descendants(serving.pid).reduce((sum, pid) => sum + residentMb(pid), 0);
      say(
        `PostgreSQL beside it, sum over its processes with what they share counted each time: ${database.toFixed(0)}`,
      );
    });
  },
};

const hashOptions = { algorithm: 2, memoryCost: 65_536, timeCost: 3, parallelism: 1 } as const;

function sumOf(readings: readonly Map<string, number>[]): number {
  return readings.flatMap((reading) => [...reading.values()]).reduce((sum, ms) => sum + ms, 0);
}

/** The reference C implementation, as Node has it. */
function hashInNode(): Promise<unknown> {
  const parameters = {
    message: 'Correct-Horse-7',
    nonce: Buffer.alloc(16, 7),
    parallelism: 1,
    tagLength: 32,
  };
  return promisify(argon2)('argon2id', { ...parameters, memory: 65_536, passes: 3 });
}

async function post(
  serving: Serving,
  path: string,
  body: { email: string; password: string },
  expected: number,
) {
  const { email, password } = body;
  const answer = await fetch(`${serving.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password }),
  });
  await answer.arrayBuffer();
  if (answer.status !== expected) throw new Error(`${path} answered ${answer.status}.`);
}

/** Runs work again and again on several lanes. @returns how often a second */
async function repeat(lanes: number, seconds: number, work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1000;
  let done = 0;
  const lane = async () => {
    while (performance.now() < endsAt) {
      await work();
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return (done * 1000) / (performance.now() - startedAt);
}

const wanted = process.argv.slice(2);
for (const name of wanted.length > 0 ? wanted : Object.keys(parts)) {
  const part = parts[name];
  if (part === undefined) throw new Error(`There is no part ${name}: ${Object.keys(parts).join(' ')}.`);
  await part();
}
