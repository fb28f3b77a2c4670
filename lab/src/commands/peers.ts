/** `irontrack-lab peers`: the service beside what a team would otherwise take, on the same machine and database. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exitStatus, LabError } from '../exit-status.ts';
import type { CorePlan } from '../load/pinning.ts';
import { openScratchPostgres, type ScratchPostgres } from '../load/scratch-postgres.ts';
import { type ReadyService, runLength, type Task, tasks } from '../peers/compare-services.ts';
import { installPeer, readVersions } from '../peers/install.ts';
import { peers as knownPeers, type PasswordSettings, type Peer } from '../peers/peer.ts';
import { readSource } from '../result/source.ts';
import type { LabCommand, LabContext, OptionValues } from './lab-command.ts';
import { createNarrator } from './narrator.ts';
import { readChoices, readText } from './option-values.ts';
import { measureSections, peersFolder, readComparisonOptions } from './services-comparison.ts';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const irontrack = join(repository, 'server/bin/irontrack.mjs');

export const peers: LabCommand = {
  summary: 'Measure the service beside better-auth, Express with Passport, and FastAPI, in alternation.',
  usage: '[options]',
  mostArguments: 0,
  options: {
    only: {
      type: 'string',
      help: `Services, separated by commas. Default ${namesOf(knownPeers).join(',')}.`,
    },
    tasks: { type: 'string', help: 'What is asked: signup, signin, me, separated by commas. Default all.' },
    passwords: {
      type: 'string',
      help: 'own: as the guides of each recommend. equal: Argon2id, 64 MiB, 3 passes, 1 lane. Default both.',
    },
    rounds: { type: 'string', help: 'Runs of each service and task. Default 5.' },
    duration: { type: 'string', short: 't', help: 'Length of a run, such as 4s. Default 4s.' },
    pin: { type: 'string', help: 'auto, off, or server=0,generator=1: cores of each. Default auto.' },
    folder: { type: 'string', help: 'Where the services are installed. Default .irontrack-lab/peers.' },
    out: {
      type: 'string',
      short: 'o',
      help: 'Markdown report, its charts beside it. Default .irontrack-lab/peers.md.',
    },
  },
  async run(_positionals, values, context) {
    if (!existsSync(irontrack)) {
      throw new LabError(
        exitStatus.tool,
        'The peers are measured beside the service: use a checkout of both.',
      );
    }
    const narrator = createNarrator(context);
    const names = readChoices(values, 'only', namesOf(knownPeers));
    const chosen = knownPeers.filter(({ name }) => names.includes(name));
    const wanted = readChoices(values, 'tasks', [...new Set(tasks.map(({ name }) => name))]);
    const asked = tasks.filter(({ name }) => wanted.includes(name));
    const settings = readPasswords(values);
    const comparison = readComparisonOptions(values, 'peers', 'auto', context);
    const { rounds, runS, cores, folder: target } = comparison;
    const startedAt = new Date().toISOString();
    const { environment, interrupted } = context;
    const installed: Installed[] = [];
    for (const peer of chosen) {
      const options = { source: peersFolder, target, environment, interrupted, say: narrator.say };
      const folder = await installPeer(peer, options);
      installed.push({ peer, folder, versions: await readVersions(peer, folder) });
    }
    narrator.say(`About ${estimateMinutes(chosen.length, asked, settings, rounds, runS)} minutes.`);
    const source = await readSource(repository);
    const database = await openScratchPostgres(context);
    const scratch = mkdtempSync(join(tmpdir(), 'irontrack-lab-peers-'));
    const sections = settings.map((passwords) => ({
      title: sectionTitles[passwords],
      tasks: tasksFor(passwords, asked, settings),
      prepare: () => prepare(installed, passwords, database, scratch, context),
    }));
    const head = {
      title: 'The same asked of what else a team would take',
      method: describePlaces(cores),
      startedAt,
      source,
      database: database.version,
      facts: ['passwords, when left to its guides', 'versions'],
      services: installed.map(({ peer: { name, ownHash }, versions }) => ({
        name,
        facts: [ownHash, versions.join(', ') || 'this repository'],
      })),
      caveats,
    };
    try {
      return await measureSections(sections, comparison, head, narrator, context);
    } finally {
      await database.close();
      rmSync(scratch, { recursive: true, force: true });
    }
  },
};

/** What is not the same for all, and what is: the reader judges. */
const caveats: readonly string[] = [
  'The same for all: one process, a pool of 10 connections, a database of its own in one PostgreSQL with its default settings and durable commits, `NODE_ENV=production`, no limits on attempts.',
  'irontrack runs as it comes: request log (thrown away where it arrives), metrics, security headers and revocation checks are on. The others write no log of requests; that of uvicorn is switched off.',
  'FastAPI has uvloop under both servers; uvicorn parses by httptools, granian runs with its own defaults. better-auth joins its tables where it reads, as its page on PostgreSQL recommends.',
  'Who is signed in: irontrack answers from what it has verified and looked up before, and refuses what was revoked at once. better-auth answers from its signed cookie cache without asking its database, and lets a revoked session in until that cookie is renewed; here it is good for an hour, in its guide for five minutes. Express and FastAPI verify a token (HS256) and ask PostgreSQL each time; as built here they revoke nothing.',
  'Sign-in: irontrack and better-auth store a session, which is a commit. Express and FastAPI sign a token and write nothing. Sign-up: all of them store the user; better-auth stores an account and a session besides, as who signs up there is signed in.',
  'Passwords: irontrack computes Argon2id by a library in Rust (@node-rs/argon2), as many at a time as it has cores; the others have the reference library in C, or bcrypt or scrypt, and compute all that is asked at once, which on one core costs more each. With equal parameters the CPU of a request is nearly all hash: what it shows is the library, not the framework.',
  'irontrack has the same settings in both sections. What its figures differ by between them is what the machine did meanwhile: compare within a table.',
  'Who is signed in is asked in the first section alone: how passwords are hashed changes nothing for it.',
  'The load waits by timers, up to a millisecond late, and that is in every time: it makes short times look more alike than they are.',
];

function describePlaces({ server, generator }: CorePlan): string {
  return server === null || generator === null
    ? 'Each service in one process; nothing is pinned to cores.'
    : `Each service in one process on core ${server}, the load on core ${generator}, PostgreSQL on any.`;
}

const sectionTitles: Readonly<Record<PasswordSettings, string>> = {
  own: 'Each as its guides recommend',
  equal: 'All with Argon2id, 64 MiB, 3 passes, 1 lane',
};

interface Installed {
  peer: Peer;
  folder: string;
  versions: string[];
}

/** Each gets a database of its own in the same PostgreSQL, and no limits: a load comes from one address. */
async function prepare(
  installed: readonly Installed[],
  passwords: PasswordSettings,
  database: ScratchPostgres,
  scratch: string,
  { environment }: LabContext,
): Promise<ReadyService[]> {
  const ready: ReadyService[] = [];
  for (const { peer, folder } of installed) {
    const name = `${peer.name.replaceAll('-', '_')}_${passwords}`;
    const databaseUrl = await database.create(name);
    ready.push({
      name: peer.name,
      command: peer.command({ folder, node: process.execPath, irontrack }),
      environment: {
        ...environment,
        NODE_ENV: 'production',
        DATABASE_URL: databaseUrl,
        PASSWORD_HASH: passwords,
        DATA_DIR: join(scratch, name),
        RATE_LIMIT: 'off',
        LOG_FORMAT: 'json',
      },
    });
  }
  return ready;
}

function readPasswords(values: OptionValues): PasswordSettings[] {
  const given = readText(values, 'passwords') ?? 'both';
  if (given === 'both') return ['own', 'equal'];
  if (given === 'own' || given === 'equal') return [given];
  throw new LabError(exitStatus.tool, '--passwords takes own, equal or both.');
}

/** How passwords are hashed changes nothing for who hashes none: measured once is enough. */
function tasksFor(
  passwords: PasswordSettings,
  asked: readonly Task[],
  settings: readonly PasswordSettings[],
): Task[] {
  return asked.filter(({ hashes }) => hashes || passwords === settings[0]);
}

/** Starting a service and signing its first users up takes some ten seconds a task. */
function estimateMinutes(
  services: number,
  asked: readonly Task[],
  settings: readonly PasswordSettings[],
  rounds: number,
  runS: number,
): number {
  const perService = settings
    .flatMap((passwords) => tasksFor(passwords, asked, settings))
    .reduce((sum, task) => sum + (rounds + 1) * runLength(task, runS) + 10, 0);
  return Math.ceil((services * perService) / 60);
}

function namesOf(list: readonly Peer[]): string[] {
  return list.map(({ name }) => name);
}
