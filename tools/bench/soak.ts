/**
 * An hour's soak: the whole deployment as deploy/ has it (two nodes of two workers behind nginx over TLS, PgBouncer in
 * transaction mode, Valkey, PostgreSQL) under a mixed load at a constant rate. Once a minute it is written down what was
 * answered, how late, and what every process holds; at the end whether memory or latency grew. Needs nginx, openssl,
 * pgbouncer, redis-server or valkey-server, and Linux.
 *
 * node tools/bench/soak.ts [--minutes 60] [--rate 300] [--people 200] [--warm-up 60] [--out FILE] [--setting NAME=VALUE]
 *   --rate     requests a second, all kinds together; --warm-up in seconds, not judged but for faults
 *   --out      FILE.json and FILE.csv, written anew each minute, and FILE.md at the end
 *   --setting  of the nodes, repeatable, such as ARGON2_MEMORY_KIB=19456
 *
 * The limits stand in soak-judge.ts with their reasons. The status is 1 when memory, latency or anything counted grew
 * beyond its limit, an answer was not as expected, a serving process ended, or an acknowledged event or account is not
 * there; 130 when it was interrupted. Below 8 minutes no trend can be told, and only faults count.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import postgres from 'postgres';
import { startEmbeddedDatabase } from '../../server/src/database/embedded.ts';
import {
  administratorPassword,
  startDeployment,
  startSurroundings,
} from '../../server/test/topology/deployment.ts';
import { makeCertificate } from '../../server/test/topology/nginx.ts';
import { openSoakLoad, type SoakLoad } from '../../server/test/topology/soak/load.ts';
import { readDeployment } from '../../server/test/topology/soak/readings.ts';
import { collectAndRead } from './soak-held.ts';
import { hasFailed, judge, judgeFaults, type Promised, type Soak, type Verdict } from './soak-judge.ts';
import { type LogWatch, watchLogs } from './soak-logs.ts';
import { countUnexpected, type Latencies, type Minute, shareOf, summarize, writeCsv } from './soak-minute.ts';
import { writeCourse, writeKinds, writeVerdicts } from './soak-report.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    rate: { type: 'string', default: '300' },
    people: { type: 'string', default: '200' },
    'warm-up': { type: 'string', default: '60' },
    out: { type: 'string', default: '' },
    setting: { type: 'string', multiple: true, default: [] },
  },
});
const wantedMinutes = Number(values.minutes);
const addresses = 32;
/** Sessions are refreshed in turn, rate / 100 a second: half of the life of an access token at most lies between. */
const mostPeople = (Number(values.rate) / 100) * 900;
/**
 * Minutes between two collections of all heaps. Each stalls every process of the nodes for two times 20 to 60 ms, which is
 * less than 1 in 1,000 of the time: no P99 is made by them.
 */
const collectEvery = 3;
const say = (line: string) => process.stdout.write(`${line}\n`);
const list = (lines: readonly string[]) => lines.map((line) => `- ${line}`).join('\n');
const tell = (line: string) => process.stderr.write(`${line}\n`);

const interrupted = new AbortController();
// Not SIGHUP: under nohup it goes on.
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    // Who asks twice does not want to wait for what is being closed; the programs are killed at the exit.
    if (interrupted.signal.aborted) process.exit(130);
    interrupted.abort();
  });
}

/** Called in reverse, whatever happens. */
const closers: (() => Promise<void> | void)[] = [];
try {
  await soak();
} catch (error) {
  // What was interrupted half-way through its start fails in ways of its own.
  if (!interrupted.signal.aborted) throw error;
} finally {
  for (const close of closers.toReversed()) {
    try {
      await close();
    } catch (error) {
      tell(String(error));
    }
  }
}
if (interrupted.signal.aborted) process.exitCode = 130;

async function soak(): Promise<void> {
  if (Number(values.people) > mostPeople) throw new Error(`At this rate ${mostPeople} people at most.`);
  const folder = mkdtempSync(join(tmpdir(), 'irontrack-soak-'));
  // PostgreSQL runs as a user of its own under root, and has to pass through.
  chmodSync(folder, 0o755);
  closers.push(() => rmSync(folder, { recursive: true, force: true }));
  const database = await startEmbeddedDatabase({ dataDir: join(folder, 'data'), say: tell });
  closers.push(() => database.stop());
  const surroundings = await startSurroundings(database.connection);
  closers.push(() => surroundings.close());
  const certificate = makeCertificate(folder);
  const deployment = await startDeployment({
    folder,
    database: database.connection,
    surroundings,
    certificate,
    environment: { WEBHOOK_ALLOW_PRIVATE: 'on', ...readSettings() },
    keepsLogs: true,
  });
  closers.push(() => deployment.stop());
  const sql = postgres({ ...database.connection, max: 1, fetch_types: false, onnotice: () => undefined });
  closers.push(() => sql.end({ timeout: 1 }));
  const load = await openSoakLoad({
    url: deployment.url,
    ca: readFileSync(certificate.chain),
    administrator: { email: 'admin@irontrack.local', password: administratorPassword },
    rate: Number(values.rate),
    people: Number(values.people),
    clients: addresses,
  });
  closers.push(() => load.close());
  // Before anything else is closed: what is asked then would be answered by nobody.
  closers.push(() => load.pause());
  const logs = watchLogs(folder);
  const look = () => readDeployment({ deployment, surroundings, sql });
  const collect = () => collectAndRead(deployment);
  const [server] = await sql<{ version: string }[]>`select current_setting('server_version') as version`;
  say(
    `${load.rate.toFixed()} requests/s on ${availableParallelism()} cores (${cpus()[0]?.model.trim()}), Node ` +
      `${process.versions.node}, PostgreSQL ${server?.version}, since ${new Date().toISOString()}.\n`,
  );

  const minutes: Minute[] = [];
  const latencies: Latencies[] = [];
  /** What must be so whatever the figures are. */
  const promises: Promised[] = [];
  load.run();
  let endsAtMs = performance.now();
  try {
    while (minutes.length <= wantedMinutes) {
      const startedAtMs = endsAtMs;
      endsAtMs += minutes.length === 0 ? Number(values['warm-up']) * 1000 : 60_000;
      await waitUntil(endsAtMs);
      // A terminal interrupts everything that was started, so that what is answered from then on says nothing.
      if (interrupted.signal.aborted) break;
      const sample = load.take();
      const { kinds, latencies: timed } = summarize(sample);
      const minute: Minute = {
        minute: minutes.length,
        endedAt: new Date().toISOString(),
        seconds: (endsAtMs - startedAtMs) / 1000,
        kinds,
        sentLateP99Ms: shareOf(Float64Array.from(sample.lateMs).sort(), 0.99),
        loadAverage: loadavg()[0] ?? Number.NaN,
        warnings: await logs.look(),
        // Once more, or a moment in which something was slow would end the hour.
        reading: await look().catch(look),
        ...(minutes.length % collectEvery === 0 ? { held: await collect().catch(collect) } : {}),
      };
      minutes.push(minute);
      latencies.push(timed);
      tell(describe(minute));
      keep(minutes, load, logs);
    }
  } catch (error) {
    // What was measured until then is worth its hour all the same.
    promises.push({ what: 'every process can be looked at', kept: false, because: String(error) });
  }
  await load.pause();
  if (!interrupted.signal.aborted) promises.push(...(await findPromises(load, sql)));
  report({ minutes, latencies, promises }, load, logs);
}

function readSettings(): Record<string, string> {
  return Object.fromEntries(
    values.setting.map((pair) => {
      const equals = pair.indexOf('=');
      if (equals < 1) throw new Error(`--setting takes NAME=VALUE, not ${pair}.`);
      return [pair.slice(0, equals), pair.slice(equals + 1)];
    }),
  );
}

async function waitUntil(moment: number): Promise<void> {
  const leftMs = Math.max(0, moment - performance.now());
  await wait(leftMs, undefined, { signal: interrupted.signal }).catch(() => undefined);
}

function describe(minute: Minute): string {
  const asked = Object.values(minute.kinds).reduce((sum, kind) => sum + kind.asked, 0);
  const me = minute.kinds['/me by cookie'];
  const { reading, held } = minute;
  const left =
    held === undefined
      ? ''
      : ` (after a collection ${held.workers.ownMb.toFixed()}, supervisors ${held.supervisors.ownMb.toFixed()})`;
  return (
    `minute ${minute.minute}: ${asked} asked, ${countUnexpected(minute)} unexpected, /me P50 ${me?.p50Ms.toFixed(2)} ` +
    `P99 ${me?.p99Ms.toFixed(1)} ms, sent ${minute.sentLateP99Ms.toFixed(1)} ms late (P99), workers ` +
    `${reading.groups.workers.residentMb.toFixed()} MB${left}, load ${minute.loadAverage.toFixed(1)}, ${minute.warnings} warnings`
  );
}

/** What there is so far, for whoever comes back to a machine that was switched off. */
function keep(
  minutes: readonly Minute[],
  { faults }: SoakLoad,
  { first: warnings }: LogWatch,
  verdicts: readonly Verdict[] = [],
): void {
  if (values.out === '') return;
  const whole = { options: values, verdicts, faults, warnings, minutes };
  writeFileSync(`${values.out}.json`, `${JSON.stringify(whole, undefined, 1)}\n`);
  writeFileSync(`${values.out}.csv`, writeCsv(minutes));
}

function report(
  { minutes, latencies, promises }: Soak & { promises: readonly Promised[] },
  load: SoakLoad,
  logs: LogWatch,
): void {
  const judged = { minutes: minutes.slice(1), latencies: latencies.slice(1) };
  const isEmpty = judged.minutes.length === 0;
  const verdicts = [...judgeFaults(minutes, load.faults, promises), ...judge(judged)];
  const text = [
    ...(isEmpty ? [] : [writeCourse(judged), writeKinds(judged)]),
    writeVerdicts(verdicts),
    ...(load.faults.length === 0 ? [] : [`The first faults:\n\n${list(load.faults)}`]),
    ...(logs.first.length === 0 ? [] : [`The first warnings in the logs:\n\n${list(logs.first)}`]),
    conclude(judged.minutes.length, verdicts),
  ].join('\n\n');
  say(text);
  keep(minutes, load, logs, verdicts);
  if (values.out !== '') writeFileSync(`${values.out}.md`, `${text}\n`);
  if (hasFailed(verdicts)) process.exitCode = 1;
}

/** Looks for everything that was acknowledged. */
async function findPromises(load: SoakLoad, sql: postgres.Sql): Promise<Promised[]> {
  try {
    const { acknowledged, lost, undelivered, repeated } = await load.checkEvents();
    const missing = await countMissing(sql, load.signedUp);
    return [
      {
        what: 'every acknowledged event in the inbox',
        kept: lost.length === 0,
        because: `${acknowledged} acknowledged, ${lost.length} not there`,
      },
      {
        what: 'every event for the webhook delivered',
        kept: undelivered.length === 0,
        because: `${undelivered.length} missing, ${repeated} more than once`,
      },
      {
        what: 'every account that was signed up is there',
        kept: missing === 0,
        because: `${load.signedUp.length} signed up, ${missing} not there`,
      },
    ];
  } catch (error) {
    return [{ what: 'everything acknowledged can be looked for', kept: false, because: String(error) }];
  }
}

async function countMissing(sql: postgres.Sql, emails: readonly string[]): Promise<number> {
  const rows = await sql<{ email: string }[]>`select email from users`;
  const known = new Set(rows.map(({ email }) => email));
  return emails.filter((email) => !known.has(email)).length;
}

function conclude(count: number, verdicts: readonly Verdict[]): string {
  const of = (finding: string) => verdicts.filter((verdict) => verdict.finding === finding).length;
  const ended = interrupted.signal.aborted ? 'Interrupted' : 'Ended';
  return (
    `${ended} after ${count} minutes: ${of('flat')} flat, ${of('grows')} grow, ${of('cannot be told')} cannot be told; ` +
    `${of('holds')} promises hold, ${of('fails')} fail.`
  );
}
