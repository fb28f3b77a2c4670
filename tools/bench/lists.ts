/**
 * Lists of exercises in a table of some size: a page at hand beside bare, pages that are not at hand at full rate, and
 * how long each kind of list takes, one at a time and at a modest constant rate. Service on core 0, PostgreSQL and
 * the load on core 1. A part of figures.ts.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { descendants } from '../../server/test/topology/processes.ts';
import { compareWithBare } from './beside-bare.ts';
import { enter, type Serving, withServing } from './serving.ts';
import { describe } from './spread.ts';
import { readThreadCpuMs } from './thread-cpu.ts';

const run = promisify(execFile);
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
type Say = (line: string) => void;

const path = '/api/v1/exercises';
/** The largest owner, the smallest, and others in even steps between; newcomers where there are not so many. */
const callerCount = 150;
/** Sign-ins are not what is measured. */
const environment = { ARGON2_MEMORY_KIB: '64', ARGON2_PASSES: '1' };

interface Caller {
  accessToken: string;
  /** How many exercises they see. */
  visible: number;
}

/**
 * Prints Markdown. Takes some four minutes.
 *
 * @param size rows in the table of exercises, about; 500,000 take half a gigabyte of disk meanwhile
 */
export async function measureLists(say: Say, size: number): Promise<void> {
  await withServing({ core: 0, environment }, async (serving) => {
    await generate(serving, size);
    const callers = await enterCallers(serving);
    const folder = mkdtempSync(join(tmpdir(), 'irontrack-lists-'));
    const file = join(folder, 'callers');
    // No page beyond the hundredth: people search instead.
    const pagesOf = (visible: number) => Math.floor(Math.max(1, Math.min(100, visible / 50)));
    const lines = callers.map(({ accessToken, visible }) => `${accessToken} ${pagesOf(visible)}\n`);
    writeFileSync(file, lines.join(''));
    try {
      say(`\n### Lists of exercises, ${size.toLocaleString('en')} rows\n`);
      await measureKnown(say, serving, callers);
      await measureUnknown(say, serving, file);
      await measureLatency(say, serving, file);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

async function generate(serving: Serving, count: number): Promise<void> {
  const main = here('../../server/src/main.ts');
  const env = { ...process.env, DATA_DIR: join(serving.dataDir, 'data') };
  await run(process.execPath, [main, 'seed', '--exercises', String(count)], { env });
}

/** Generated users have a password that nobody knows; here they get one. */
async function enterCallers(serving: Serving): Promise<Caller[]> {
  const first = await enter(serving.url);
  const socket = join(serving.dataDir, 'data', 'postgresql', '.s.PGSQL.5432');
  const sql = postgres({
    path: socket,
    user: 'irontrack',
    database: 'irontrack',
    max: 1,
    onnotice: () => {},
  });
  try {
    await sql`
      update users set password_hash = (select password_hash from users where email = ${first.email})
      where email like 'generated-%'`;
    const owners = await sql<{ email: string; visible: number }[]>`
      select u.email, (count(e.id) + (select count(*) from exercises where owner_id is null))::int as visible
      from users u left join exercises e on e.owner_id = u.id
      where u.email like 'generated-%' group by u.email order by visible desc`;
    const count = Math.min(callerCount, owners.length);
    const chosen = Array.from(
      { length: count },
      (_, index) => owners[Math.round((index * (owners.length - 1)) / Math.max(1, count - 1))],
    );
    const least = owners.at(-1)?.visible ?? 0;
    const newcomers = Array.from({ length: callerCount - count }, (_, index) => ({
      email: `newcomer-${index}@example.org`,
      visible: least,
    }));
    const callers: Caller[] = [];
    for (const owner of [...chosen, ...newcomers]) {
      if (owner === undefined) continue;
      const { accessToken } = await enter(serving.url, owner.email);
      callers.push({ accessToken, visible: owner.visible });
    }
    return callers;
  } finally {
    await sql.end();
  }
}

async function measureKnown(say: Say, serving: Serving, callers: readonly Caller[]): Promise<void> {
  say('A page of 50 at hand, by cookie:\n');
  const cookie = `cookie: access_token=${callers[0]?.accessToken}`;
  await compareWithBare(say, serving, `${path}?pageSize=50`, [cookie]);
}

async function measureUnknown(say: Say, serving: Serving, file: string): Promise<void> {
  const rates: number[] = [];
  const costs: { service: number; database: number }[] = [];
  const before = await readPageCounts(serving);
  for (let round = 0; round < 8; round += 1) {
    const cpuBefore = readCpuMs(serving);
    const wrk = [
      'wrk',
      '-t1',
      '-c50',
      '-d3s',
      '--timeout',
      '10s',
      '-s',
      here('lists.lua'),
      `${serving.url}${path}`,
      '--',
      file,
    ];
    const { stdout } = await run('taskset', ['-c', '1', ...wrk]);
    if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(stdout);
    const cpuAfter = readCpuMs(serving);
    const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
    // The first round warms up.
    if (round === 0) continue;
    rates.push(Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]));
    costs.push({
      service: ((cpuAfter.service - cpuBefore.service) * 1000) / requests,
      database: ((cpuAfter.database - cpuBefore.database) * 1000) / requests,
    });
  }
  const after = await readPageCounts(serving);
  const misses = after.miss - before.miss;
  const share = (100 * misses) / (misses + after.hit - before.hit);
  say('Pages of 45 to 55 drawn at random, `wrk -t1 -c50`, rounds of 3 s:\n');
  say(
    '| pages/s | not at hand | CPU of the service, us | CPU of PostgreSQL, us |\n| --- | --- | --- | --- |',
  );
  const service = describe(costs.map((cost) => cost.service));
  const database = describe(costs.map((cost) => cost.database));
  say(`| ${describe(rates)} | ${share.toFixed(0)} % | ${service} | ${database} |\n`);
}

function readCpuMs(serving: Serving): { service: number; database: number } {
  const sum = (pids: readonly number[]) =>
    pids.flatMap((pid) => [...readThreadCpuMs(pid).values()]).reduce((total, ms) => total + ms, 0);
  return { service: sum([serving.pid]), database: sum(descendants(serving.pid)) };
}

/** Pages found and not found at hand so far. */
async function readPageCounts(serving: Serving): Promise<{ hit: number; miss: number }> {
  const text = await (await fetch(`${serving.url}/metrics`)).text();
  const read = (result: string) =>
    Number(
      new RegExp(`^\\S*cache_reads_total\\{cache="page",result="${result}"\\} (\\d+)`, 'm').exec(text)?.[1],
    );
  return { hit: read('hit'), miss: read('miss') };
}

async function measureLatency(say: Say, serving: Serving, file: string): Promise<void> {
  const count = 3_000;
  for (const [title, options] of [
    ['one at a time', []],
    ['50 a second by the clock', ['--rate', '50']],
  ] as const) {
    const args = [
      here('list-latency.ts'),
      serving.url,
      '--callers',
      file,
      '--count',
      String(count),
      ...options,
    ];
    const before = readCpuMs(serving);
    const { stdout } = await run('taskset', ['-c', '1', process.execPath, ...args]);
    const after = readCpuMs(serving);
    say(`How long lists take that are not at hand, ${title}; milliseconds:\n\n${stdout}`);
    // Stays true on a machine that is busy with something else.
    const cost = (part: 'service' | 'database') => (((after[part] - before[part]) * 1000) / count).toFixed(0);
    say(`CPU of a list: service ${cost('service')} us, PostgreSQL ${cost('database')} us.\n`);
  }
}
