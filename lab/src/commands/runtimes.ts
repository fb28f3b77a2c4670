/** `irontrack-lab runtimes`: our server on several runtimes, with one and two workers, direct and behind nginx. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exitStatus, LabError } from '../exit-status.ts';
import type { CorePlan } from '../load/pinning.ts';
import { openScratchPostgres, type ScratchPostgres } from '../load/scratch-postgres.ts';
import { type ReadyService, tasks } from '../peers/compare-services.ts';
import type { ServicesReport } from '../peers/services-report.ts';
import { quoteCommand } from '../report/format-figures.ts';
import { readSource } from '../result/source.ts';
import { chooseRuntimes, type Setting } from '../runtimes/choose-runtime.ts';
import { copyAsJavaScript } from '../runtimes/javascript-copy.ts';
import { installRuntime, runtimes as knownRuntimes, type Runtime } from '../runtimes/runtime.ts';
import type { LabCommand, LabContext } from './lab-command.ts';
import { createNarrator } from './narrator.ts';
import { readChoices } from './option-values.ts';
import { measureSections, readComparisonOptions } from './services-comparison.ts';

const checkout = fileURLToPath(new URL('../../../', import.meta.url));
const nginxTemplate = fileURLToPath(new URL('../../runtimes/nginx.conf', import.meta.url));

/** Only what no password is hashed for: hashing is native code, the same on all of them. */
const measured = tasks.filter(({ hashes }) => !hashes);

/** Twice two processes of each runtime have to fit into 100 connections. */
const poolSize = 5;

export const runtimes: LabCommand = {
  summary:
    'Measure our server on several Node versions and Bun, with 1 and 2 workers, direct and behind nginx.',
  usage: '[options]',
  mostArguments: 0,
  options: {
    only: {
      type: 'string',
      help: `Runtimes, separated by commas. Default ${knownRuntimes.map(({ name }) => name).join(',')}.`,
    },
    workers: { type: 'string', help: 'Numbers of serving processes, separated by commas. Default 1,2.' },
    paths: {
      type: 'string',
      help: 'direct, nginx (TLS to nginx, a Unix socket from there), separated by commas. Default both.',
    },
    rounds: { type: 'string', help: 'Runs of each. Default 5.' },
    duration: { type: 'string', short: 't', help: 'Length of a run, such as 4s. Default 4s.' },
    pin: {
      type: 'string',
      help: 'auto, off, or server=0,generator=1: cores of each. Default off: two workers want two.',
    },
    folder: { type: 'string', help: 'Where the runtimes are installed. Default .irontrack-lab/runtimes.' },
    out: {
      type: 'string',
      short: 'o',
      help: 'Markdown report, its charts beside it. Default .irontrack-lab/runtimes.md.',
    },
  },
  async run(_positionals, values, context) {
    const narrator = createNarrator(context);
    const names = knownRuntimes.map(({ name }) => name);
    const chosen = readChoices(values, 'only', names);
    const counts = readChoices(values, 'workers', ['1', '2', '3', '4', '8'], ['1', '2']).map(Number);
    const paths = readChoices(values, 'paths', ['direct', 'nginx']);
    const comparison = readComparisonOptions(values, 'runtimes', 'off', context);
    const { rounds, runS, cores, folder } = comparison;
    if (!existsSync(join(checkout, 'server/src/main.ts'))) {
      throw new LabError(exitStatus.tool, 'The runtimes run the service: use a checkout of both.');
    }
    const nginx = paths.includes('nginx') ? readNginxVersion() : undefined;
    const settings = counts.flatMap((workers) => paths.map((path) => makeSetting(workers, path)));
    const { environment, interrupted } = context;
    const started = new Date();
    const scratch = mkdtempSync(join(tmpdir(), 'irontrack-lab-runtimes-'));
    try {
      const starts: Start[] = [];
      for (const runtime of knownRuntimes.filter(({ name }) => chosen.includes(name))) {
        const program = await installRuntime(runtime, {
          folder,
          environment,
          interrupted,
          say: narrator.say,
        });
        starts.push({ runtime, command: writeStart(runtime, program, join(scratch, runtime.name)) });
      }
      const minutes =
        (counts.length * paths.length * starts.length * measured.length * ((rounds + 1) * runS + 8)) / 60;
      narrator.say(`About ${Math.ceil(minutes)} minutes.`);
      const source = await readSource(checkout);
      const database = await openScratchPostgres(context);
      const sections = settings.map((setting) => ({
        title: setting.section,
        tasks: measured,
        prepare: () => prepare(starts, setting, database, scratch, context),
      }));
      const head = {
        title: 'Our server on several runtimes',
        method: describePlaces(cores),
        startedAt: started.toISOString(),
        source,
        database: nginx === undefined ? database.version : `${database.version}, ${nginx}`,
        facts: ['version', 'runs'],
        services: starts.map(({ runtime: { name, version, strips } }) => ({
          name,
          facts: [version, strips ? 'our TypeScript as it is' : 'a copy without types, and what it lacks'],
        })),
        caveats,
        conclude: (all: ServicesReport) => chooseRuntimes(all, settings),
      };
      try {
        return await measureSections(sections, comparison, head, narrator, context);
      } finally {
        await database.close();
      }
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  },
};

/** What is not the same for all, and what none of it shows. */
const caveats: readonly string[] = [
  'Asked is who is signed in, of 4 users: nothing is hashed, and after the first requests nothing is read from PostgreSQL. What differs is how each runtime does HTTP, sockets and JavaScript, not its databases.',
  'Node 20 strips no types, so it runs a copy in JavaScript with the few functions that it lacks. What is measured begins after the start.',
  'MB and CPU are those of all processes of the service together: supervisor, workers, and nginx where there is one.',
  'nginx speaks TLS 1.3 with a P-256 key, keeps connections open and writes no log; the service writes its own, which is thrown away where it arrives.',
  'The load waits by timers, up to a millisecond late, and that is in every time.',
];

function describePlaces({ server, generator }: CorePlan): string {
  return server === null || generator === null
    ? 'Server, PostgreSQL, nginx where there is one, and the load share all cores.'
    : `Server and nginx on core ${server}, the load on core ${generator}, PostgreSQL on any.`;
}

function makeSetting(workers: number, path: string): Setting {
  const who = workers === 1 ? '1 worker' : `${workers} workers`;
  return path === 'nginx'
    ? { section: `${who}, behind nginx over TLS and a Unix socket`, workers, path: 'nginx' }
    : { section: `${who}, direct`, workers, path: 'direct' };
}

interface Start {
  runtime: Runtime;
  /** Starts the server, as `sh` reads it. */
  command: string;
}

function writeStart(runtime: Runtime, program: string, scratch: string): string {
  // Its log is written, but not read: that would take from the cores of the load.
  const start = (...words: string[]) => `${quoteCommand([program, ...words, 'serve'])} >/dev/null`;
  if (runtime.strips) return start(join(checkout, 'server/src/main.ts'));
  const copy = copyAsJavaScript(checkout, scratch);
  return start('--import', copy.preload, copy.main);
}

async function prepare(
  starts: readonly Start[],
  { workers, path }: Setting,
  database: ScratchPostgres,
  scratch: string,
  { environment }: LabContext,
): Promise<ReadyService[]> {
  const ready: ReadyService[] = [];
  for (const { runtime, command } of starts) {
    const name = `${runtime.name.replace('-', '_')}_${workers}_${path}`;
    const folder = join(scratch, name);
    mkdirSync(folder, { recursive: true });
    const socket = join(folder, 'service.sock');
    ready.push({
      name: runtime.name,
      tls: path === 'nginx',
      command: path === 'nginx' ? `${writeNginx(folder, socket)} & exec ${command}` : `exec ${command}`,
      environment: {
        ...environment,
        NODE_ENV: 'production',
        DATABASE_URL: await database.create(name),
        DATABASE_POOL_SIZE: String(poolSize),
        DATA_DIR: join(folder, 'data'),
        WORKERS: String(workers),
        RATE_LIMIT: 'off',
        LOG_FORMAT: 'json',
        ...(path === 'nginx' ? { SOCKET_PATH: socket, TRUSTED_PROXIES: 'unix' } : {}),
      },
    });
  }
  return ready;
}

/** Writes nginx's configuration and a certificate for it; returns the command that starts it on "{port}". */
function writeNginx(folder: string, socket: string): string {
  const [certificate, key] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const names = ['-days', '2', '-subj', '/CN=localhost', '-keyout', key, '-out', certificate];
  execFileSync('openssl', [...request, ...names], { stdio: 'ignore' });
  const text = readFileSync(nginxTemplate, 'utf8')
    .replaceAll('USER', userInfo().username)
    .replaceAll('FOLDER', folder)
    .replaceAll('SOCKET', socket)
    .replaceAll('CERTIFICATE', certificate)
    .replaceAll('KEY', key);
  const template = join(folder, 'nginx.template');
  writeFileSync(template, text);
  const config = join(folder, 'nginx.conf');
  // Before the service is there nginx would answer 502, which is an answer; and Bun leaves its socket behind when it ends,
  // so that the next start would not be waited for.
  const wait = `while [ ! -S '${socket}' ]; do sleep 0.1; done`;
  return `rm -f '${socket}'; sed "s/PORT/{port}/" '${template}' > '${config}'; (${wait}; exec nginx -e '${folder}/error.log' -c '${config}')`;
}

/** @returns such as "nginx/1.22.1" */
function readNginxVersion(): string {
  const { status, stderr } = spawnSync('nginx', ['-v'], { encoding: 'utf8' });
  if (status === 0) return /nginx\/\S+/.exec(stderr)?.[0] ?? 'nginx';
  throw new LabError(
    exitStatus.tool,
    'There is no nginx here: install it (Debian: apt-get install nginx-light), or leave it out with --paths direct.',
  );
}
