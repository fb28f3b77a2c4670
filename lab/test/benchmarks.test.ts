/** micro, save and check as a user meets them: files on disk in, a table, a baseline and an exit status out. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, test } from 'node:test';
import { check } from '../src/commands/check.ts';
import type { LabCommand, OptionValues } from '../src/commands/lab-command.ts';
import { micro } from '../src/commands/micro.ts';
import { save } from '../src/commands/save.ts';
import { exitStatus, LabError } from '../src/exit-status.ts';
import { readMachine } from '../src/result/machine.ts';
import type { BenchResult } from '../src/result/result.ts';
import { readResult, writeResult } from '../src/result/result-file.ts';

const home = mkdtempSync(join(tmpdir(), 'irontrack-lab-bench-'));
after(() => rmSync(home, { recursive: true, force: true }));
const { platform } = readMachine();

/** A folder with these files in it. */
function place(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(home, 'case-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

async function runIn(
  cwd: string,
  command: LabCommand,
  files: string[],
  values: OptionValues = {},
  interrupted: AbortSignal = new AbortController().signal,
) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const context = {
    stdout,
    stderr,
    environment: {},
    cwd,
    args: ['check', ...files],
    interrupted,
  };
  const read = (stream: PassThrough) => {
    let text = '';
    for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) text += String(chunk);
    return text;
  };
  try {
    const status = await command.run(files, { seconds: '0.05', ...values }, context);
    return { status, out: read(stdout), err: read(stderr), sentence: '' };
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    return { status: error.status, out: read(stdout), err: read(stderr), sentence: error.message };
  }
}

/** How long `busy` takes at least. Turns of others on a loaded machine, some 9 ms, then stay far from a factor of 3. */
const busyUs = 20_000;

const busy = `export const benchmarks = [
  { name: 'busy', run() { const until = performance.now() + ${busyUs / 1000}; while (performance.now() < until); } },
];`;

const listBaselines = (folder: string) => {
  const path = join(folder, '.benchmarks', platform);
  return existsSync(path) ? readdirSync(path).toSorted() : [];
};

/** Saves a baseline that says `busy` took so many times what it takes: under 1, the code got slower since. */
async function saveDoctored(
  folder: string,
  factor: number,
  change: Partial<BenchResult> = {},
): Promise<string> {
  await runIn(folder, save, ['busy.ts']);
  const path = join(folder, '.benchmarks', platform, listBaselines(folder).at(-1) ?? '');
  const result = readResult(path);
  assert.equal(result.kind, 'bench');
  assert.ok(result.kind === 'bench');
  const rows = result.rows.map((row) => ({
    ...row,
    meanUs: busyUs * factor,
    medianUs: busyUs * factor,
  }));
  writeResult(path, { ...result, rows, ...change });
  return path;
}

test('micro prints the table and writes a result when asked', async () => {
  const folder = place({ 'busy.ts': busy });
  const { status, out } = await runIn(folder, micro, ['busy.ts'], { out: 'result.json' });
  assert.equal(status, exitStatus.ok);
  assert.match(out, /Name \(time in (us|ms)\) .* Rounds +Iterations/);
  assert.match(out, /busy .* \(1\.0\)/);
  const result = readResult(join(folder, 'result.json'));
  assert.ok(result.kind === 'bench' && result.rows[0]?.name === 'busy');
});

test('micro measures functions that are asynchronous, set up, filtered and typed', async () => {
  const folder = place({
    'all.ts': `
      const calls: string[] = [];
      export async function setUp({ environment }: { environment: object }) { calls.push(typeof environment); }
      export async function tearDown() { globalThis.labTestCalls = [...calls, 'file down']; }
      export const benchmarks = [
        { name: 'wanted', setUp: () => calls.push('up'), run: async () => 1, tearDown: () => calls.push('down') },
        { name: 'other', run() { throw new Error('must not run'); } },
      ];`,
  });
  const { status, out, sentence } = await runIn(folder, micro, ['all.ts'], { filter: 'want' });
  assert.equal(status, exitStatus.ok, sentence);
  assert.match(out, /benchmark: 1 test /);
  assert.deepEqual(Reflect.get(globalThis, 'labTestCalls'), ['object', 'up', 'down', 'file down']);
});

test('Files that are no benchmarks, and benchmarks that throw, are said in one sentence', async () => {
  const folder = place({
    'broken.ts': 'export const benchmarks = [',
    'empty.ts': 'export const benchmarks = [];',
    'none.ts': 'export const other = 1;',
    'misspelt.ts': "export const benchmarks = [{ name: 'a', setup() {}, run() {} }];",
    'twice.ts': "export const benchmarks = [{ name: 'a', run() {} }, { name: 'a', run() {} }];",
    'throws.ts': "export const benchmarks = [{ name: 'a', run() { throw new Error('no luck\\nmore'); } }];",
    'set-up.ts': `export const benchmarks = [{ name: 'a', async setUp() { throw new Error('no server'); }, run() {},
      tearDown() { throw new Error('nothing to stop'); } }];`,
  });
  const cases: readonly [files: string[], sentence: RegExp][] = [
    [[], /Name one or more benchmark files/],
    [['nowhere.ts'], /no benchmark file nowhere\.ts/],
    [['broken.ts'], /broken\.ts could not be imported/],
    [['empty.ts'], /hold no benchmark/],
    [['none.ts'], /exports no array "benchmarks"/],
    [['misspelt.ts'], /benchmarks\[0\] of misspelt\.ts needs/],
    [['twice.ts'], /"a" twice in twice\.ts/],
    [['throws.ts'], /"a" of throws\.ts failed in run: no luck$/],
    [['set-up.ts'], /"a" of set-up\.ts failed in setUp: no server$/],
  ];
  for (const [files, expected] of cases) {
    const { status, sentence } = await runIn(folder, micro, files);
    assert.equal(status, exitStatus.tool);
    assert.match(sentence, expected);
    assert.doesNotMatch(sentence, /\n/);
  }
});

test('An interruption is said as such, whatever it broke in the benchmark, and tears down', async () => {
  const folder = place({
    'server.ts': `export const setUp = ({ interrupted }: { interrupted: AbortSignal }) => {
        Reflect.set(globalThis, 'labTestStop', new Promise((_, reject) => {
          interrupted.addEventListener('abort', () => reject(new Error('connection reset')));
        }));
      };
      export const tearDown = () => Reflect.set(globalThis, 'labTestTornDown', true);
      export const benchmarks = [{ name: 'a', run: () => Reflect.get(globalThis, 'labTestStop') }];`,
  });
  const interruption = new AbortController();
  setTimeout(() => interruption.abort(new LabError(exitStatus.tool, 'Stopped by SIGINT.')), 50);
  const { status, sentence } = await runIn(folder, micro, ['server.ts'], {}, interruption.signal);
  assert.equal(status, exitStatus.tool);
  assert.equal(sentence, 'Stopped by SIGINT.');
  assert.equal(Reflect.get(globalThis, 'labTestTornDown'), true);
});

test('save numbers its baselines and never overwrites one', async () => {
  const folder = place({ 'busy.ts': busy });
  await runIn(folder, save, ['busy.ts']);
  await runIn(folder, save, ['busy.ts'], { name: 'after/../tuning' });
  assert.deepEqual(listBaselines(folder), ['0001_baseline.json', '0002_after-..-tuning.json']);
});

test('check fails at 3.5 times the baseline and names the benchmark', async () => {
  const folder = place({ 'busy.ts': busy });
  await saveDoctored(folder, 1 / 3.5);
  const { status, out } = await runIn(folder, check, ['busy.ts']);
  assert.equal(status, exitStatus.regression);
  assert.match(out, /FAILED +busy /);
  assert.match(out, /Regression: the mean of "busy" is more than 200 % above the baseline\./);
  assert.match(out, /Measured 3 times, the best counted\./);
});

test('What is above the gate is measured again: a machine that was busy for a moment fails nothing', async () => {
  const folder = place({
    'busy.ts': `let attempts = 0;
      export function setUp() { attempts += 1; }
      export const benchmarks = [{ name: 'busy', run() {
        const until = performance.now() + ${busyUs / 1000} * (attempts === 1 ? 1 : attempts === 2 ? 5 : 1.1);
        while (performance.now() < until);
      } }];`,
  });
  // One import, so that the first attempt is that of save and the second, slow one the first of check.
  await runIn(folder, save, ['busy.ts']);
  const { status, out } = await runIn(folder, check, ['busy.ts'], { out: 'result.json' });
  assert.equal(status, exitStatus.ok);
  assert.match(out, /(ok|slower\?) +busy /);
  const result = readResult(join(folder, 'result.json'));
  assert.ok(result.kind === 'bench' && (result.rows[0]?.meanUs ?? 0) < busyUs * 3);
});

test('check passes at 1.3 times the baseline, and remarks on it', async () => {
  const folder = place({ 'busy.ts': busy });
  await saveDoctored(folder, 1 / 1.3);
  const { status, out } = await runIn(folder, check, ['busy.ts']);
  assert.equal(status, exitStatus.ok);
  assert.match(out, /(ok|slower\?) +busy /);
  assert.match(out, /No mean is more than 200 % above the baseline\./);
  // The same change against a gate of 10 %.
  assert.equal((await runIn(folder, check, ['busy.ts'], { fail: '10%' })).status, exitStatus.regression);
});

test('Without a baseline check makes one and warns; the next check uses it', async () => {
  const folder = place({ 'busy.ts': busy });
  const first = await runIn(folder, check, ['busy.ts']);
  assert.equal(first.status, exitStatus.ok);
  assert.match(first.err, /Warning: there was no baseline .* this run is it now: .*0001_baseline\.json/);
  const second = await runIn(folder, check, ['busy.ts']);
  assert.equal(second.err, '');
  assert.match(second.out, /Baseline: .*0001_baseline\.json/);
  assert.deepEqual(listBaselines(folder), ['0001_baseline.json']);
});

test('A part of the benchmarks never becomes the baseline of all', async () => {
  const folder = place({ 'busy.ts': busy });
  const { status, err } = await runIn(folder, check, ['busy.ts'], { filter: 'busy' });
  assert.equal(status, exitStatus.ok);
  assert.match(err, /none was made/);
  assert.deepEqual(listBaselines(folder), []);
});

test('Where a baseline is required its absence ends with 5 before anything is measured', async () => {
  const folder = place({ 'busy.ts': "throw new Error('must not be imported');" });
  const { status, sentence } = await runIn(folder, check, ['busy.ts'], { 'require-baseline': true });
  assert.equal(status, exitStatus.noBaseline);
  assert.match(sentence, /There is no baseline for .*irontrack-lab save/);
});

test('On another machine only the gate is judged, and the report says so', async () => {
  const folder = place({ 'busy.ts': busy });
  const machine = { ...readMachine(), fingerprint: 'another' };
  await saveDoctored(folder, 1 / 1.5, { machine });
  const passed = await runIn(folder, check, ['busy.ts']);
  assert.equal(passed.status, exitStatus.ok);
  assert.match(passed.out, /from another machine: only the gate was judged/);
  assert.doesNotMatch(passed.out, /slower\?/);
  await saveDoctored(folder, 1 / 3.5, { machine });
  assert.equal((await runIn(folder, check, ['busy.ts'])).status, exitStatus.regression);
});

test('A baseline of another version, of another kind or cut short ends with 5 and one sentence', async () => {
  const folder = place({ 'busy.ts': busy });
  const path = await saveDoctored(folder, 1);
  const text = readFileSync(path, 'utf8');
  const cases: readonly [text: string, sentence: RegExp][] = [
    [text.replace('"version":1', '"version":2'), /is of version 2/],
    [text.slice(0, 200), /is cut short.* Remove it/],
    [text.replace('"rows":[', '"rows":[7,'), /is damaged/],
    ['{}', /is not a result of irontrack-lab/],
  ];
  for (const [content, expected] of cases) {
    writeFileSync(path, content);
    const { status, sentence } = await runIn(folder, check, ['busy.ts']);
    assert.equal(status, exitStatus.noBaseline);
    assert.match(sentence, expected);
    assert.equal(readFileSync(path, 'utf8'), content);
  }
});

test('Benchmarks that came and went since the baseline are named and fail nothing', async () => {
  const folder = place({ 'busy.ts': busy });
  const path = await saveDoctored(folder, 1);
  const result = readResult(path);
  assert.ok(result.kind === 'bench');
  writeResult(path, { ...result, rows: result.rows.map((row) => ({ ...row, name: 'gone' })) });
  const { status, out } = await runIn(folder, check, ['busy.ts'], { baseline: path });
  assert.equal(status, exitStatus.ok);
  assert.match(out, /new +busy .* no baseline/);
  assert.match(out, /in the baseline: gone\./);
});

test('A gate that is no percentage is refused', async () => {
  const folder = place({ 'busy.ts': busy });
  for (const fail of ['much', '-5%', '0', '']) {
    const { status, sentence } = await runIn(folder, check, ['busy.ts'], { fail });
    assert.equal(status, exitStatus.tool);
    assert.match(sentence, /--fail takes a percentage/);
  }
});
