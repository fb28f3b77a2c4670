/**
 * Runs the test files: one process a file, two files at a time, and one PostgreSQL for all of them. Its last line is
 * `N passed, N failed`. Arguments name the files to run (or patterns of files, or folders); without any, all of them.
 */
import { globSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { type EmbeddedDatabase, startEmbeddedDatabase } from '../server/src/database/embedded.ts';
import { leftOutFiles, prepareTopologyRun } from '../server/test/topology/contract-suite.ts';

const repository = fileURLToPath(new URL('..', import.meta.url));
const topologyPatterns = ['server/test/contract/*.test.ts'];
/** A file that hangs fails instead of holding the run for ever. */
const longestFileMs = 10 * 60_000;
const say = (line: string) => process.stderr.write(`${line}\n`);

const given = process.argv.slice(2);
/** The contract tests against nodes behind nginx rather than against a service in their own process. */
const throughTopology = given[0] === '--topology';
const patterns = throughTopology ? given.slice(1) : given;
/** A deployment is a dozen processes: one at a time. */
const filesAtOnce = throughTopology ? 1 : 2;
const everything = throughTopology ? topologyPatterns : ['{contract,server,lab,tools}/**/*.test.ts'];
const files = findTestFiles(patterns.length > 0 ? patterns : everything);

// Everybody may pass: under root PostgreSQL runs as another user.
const folder = mkdtempSync(join(tmpdir(), 'irontrack-test-'));
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort());
process.on('disconnect', () => interrupted.abort());
process.channel?.unref();

let leftOut: readonly RegExp[] = [];
let database: EmbeddedDatabase | undefined;
let counts = { passed: 0, failed: 0, skipped: 0 };
try {
  if (files.length > 0) {
    // Not durable: what a test run wrote is thrown away with its folder.
    database = await startEmbeddedDatabase({
      dataDir: join(folder, 'data'),
      say,
      maxConnections: 300,
      durable: false,
    });
    process.env.IRONTRACK_TEST_DATABASE = JSON.stringify(database.connection);
    if (throughTopology) {
      const topology = prepareTopologyRun(folder);
      Object.assign(process.env, topology.environment);
      leftOut = topology.leftOut;
    }
    counts = await runFiles(files);
  }
} finally {
  await database?.stop();
  rmSync(folder, { recursive: true, force: true });
}

if (interrupted.signal.aborted) say('Interrupted.');
if (counts.passed + counts.failed === 0) say('No test was run.');
const { passed, failed, skipped } = counts;
process.exitCode = failed > 0 || passed === 0 || interrupted.signal.aborted ? 1 : 0;
process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);

function findTestFiles(wanted: string[]): string[] {
  const isFolder = (path: string) =>
    statSync(resolve(repository, path), { throwIfNoEntry: false })?.isDirectory();
  const inFolders = wanted.map((path) => (isFolder(path) === true ? join(path, '**/*.test.ts') : path));
  const found = globSync(inFolders, { cwd: repository, exclude: ['**/node_modules'] });
  return (throughTopology ? found.filter((path) => !(basename(path) in leftOutFiles)) : found)
    .map((path) => resolve(repository, path))
    .toSorted();
}

/** Prints the readable report as it comes and returns what the final summary counted. */
function runFiles(paths: string[]): Promise<typeof counts> {
  const result = { passed: 0, failed: 0, skipped: 0 };
  const events = run({
    files: paths,
    cwd: repository,
    concurrency: filesAtOnce,
    timeout: longestFileMs,
    testSkipPatterns: leftOut,
    signal: interrupted.signal,
  });
  // The summary of the whole run names no file. What neither passed nor was left out failed or was cancelled.
  events.on('test:summary', ({ file, counts: seen }) => {
    if (file !== undefined) return;
    result.passed = seen.passed;
    result.skipped = seen.skipped + seen.todo;
    result.failed = seen.tests - result.passed - result.skipped;
  });
  // A file that holds no test is reported as a test of its own that passed.
  const empty = new Set<string>();
  events.on('test:pass', ({ name, nesting }) => {
    if (nesting === 0 && paths.includes(name)) empty.add(name);
  });
  return new Promise((done, reject) => {
    events.on('error', reject);
    const report = events.compose(spec);
    report.on('error', reject);
    report.on('end', () => {
      for (const path of empty) say(`${path} holds no test, which counts as a failure.`);
      done({ ...result, passed: result.passed - empty.size, failed: result.failed + empty.size });
    });
    report.pipe(process.stdout, { end: false });
  });
}
