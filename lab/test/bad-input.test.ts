import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type CommandLine, openCommandLine } from './support/command-line.ts';

const faulty = (name: string) => fileURLToPath(new URL(`faulty/${name}.ts`, import.meta.url));
const short = ['--rate', '50', '--duration', '500ms', '--warmup', '0', '--runs', '1', '--connections', '2'];

suite('what the lab says to bad input', () => {
  let shell: CommandLine;
  let server: Server;
  let url = '';

  before(async () => {
    shell = openCommandLine();
    server = createServer((_request, response) => response.end('ok'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('The server has no port.');
    url = `http://127.0.0.1:${address.port}/`;
  });
  after(() => {
    server.close();
    server.closeAllConnections();
    shell.remove();
  });

  const refused: { what: string; args: () => string[]; says: RegExp; status: number }[] = [
    { what: 'no command', args: () => [], says: /Usage/, status: 1 },
    { what: 'an unknown command', args: () => ['fly'], says: /no command fly/, status: 1 },
    { what: 'an unknown option', args: () => ['run', url, '--fly'], says: /--fly/, status: 1 },
    { what: 'two targets', args: () => ['run', url, 'more'], says: /"more" is one argument too/, status: 1 },
    { what: 'a value like an option', args: () => ['run', url, '--rate', '-5'], says: /--rate/, status: 1 },
    {
      what: 'a page that is a folder',
      args: () => ['run', url, ...short, '--html', shell.folder],
      says: /--html .* is a folder/,
      status: 1,
    },
    {
      what: 'a result below a file',
      args: () => ['run', url, ...short, '--out', `${process.execPath}/result.json`],
      says: /--out .* cannot be written/,
      status: 1,
    },
    { what: 'no target', args: () => ['run'], says: /URL or a scenario/, status: 1 },
    { what: 'a malformed URL', args: () => ['run', 'http://['], says: /not a URL/, status: 1 },
    { what: 'another protocol', args: () => ['run', 'ftp://127.0.0.1/'], says: /http/, status: 1 },
    {
      what: 'an unresolvable host',
      args: () => ['run', 'http://nobody.invalid/', ...short],
      says: /nobody\.invalid/,
      status: 1,
    },
    {
      what: 'a public address',
      args: () => ['run', 'http://192.0.2.1/', ...short],
      says: /--i-own-this-target/,
      status: 1,
    },
    { what: 'a rate of 0', args: () => ['run', url, '--rate', '0'], says: /--rate/, status: 1 },
    {
      what: 'a rate that is no number',
      args: () => ['run', url, '--rate', 'fast'],
      says: /--rate/,
      status: 1,
    },
    {
      what: 'a negative duration',
      args: () => ['run', url, '--duration=-1s'],
      says: /--duration/,
      status: 1,
    },
    { what: 'both loops', args: () => ['run', url, '--max', '--rate', '5'], says: /not both/, status: 1 },
    {
      what: 'arrivals of a closed loop',
      args: () => ['run', url, '--max', '--poisson'],
      says: /--poisson/,
      status: 1,
    },
    {
      what: 'a process that is not there',
      args: () => ['run', url, '--pid', '4194304', ...short],
      says: /no process 4194304/,
      status: 1,
    },
    {
      what: 'both bodies',
      args: () => ['run', url, '--json', '{}', '--body', 'x'],
      says: /not both/,
      status: 1,
    },
    { what: 'a body that is no JSON', args: () => ['run', url, '--json', '{'], says: /not JSON/, status: 1 },
    {
      what: 'a header without a colon',
      args: () => ['run', url, '-H', 'secret'],
      says: /Name: value/,
      status: 1,
    },
    { what: 'a scenario that is not there', args: () => ['run', 'none.ts'], says: /none\.ts/, status: 1 },
    { what: 'one side only', args: () => ['compare', url], says: /two sides/, status: 1 },
    {
      what: 'a result that is not there',
      args: () => ['report', 'none.json'],
      says: /none\.json/,
      status: 1,
    },
    {
      what: 'a server that ends at once',
      args: () => ['run', url.replace(/\d+\/$/, '9/'), '--server', 'exit 3'],
      says: /3|end|exit/i,
      status: 1,
    },
    {
      what: 'a scenario that throws in its set-up',
      args: () => ['run', faulty('set-up'), '--url', url, ...short],
      says: /setUp.*the dog ate it/i,
      status: 1,
    },
    {
      what: 'a scenario that throws in its connect',
      args: () => ['run', faulty('connect'), '--url', url, ...short],
      says: /connect.*the dog ate it/i,
      status: 1,
    },
    {
      what: 'a scenario that throws in its tear-down',
      args: () => ['run', faulty('tear-down'), '--url', url, ...short],
      says: /tearDown.*the dog ate it/i,
      status: 1,
    },
  ];
  for (const { what, args, says, status } of refused) {
    test(`answers ${what} with one sentence and status ${status}`, async () => {
      const ended = await shell.lab(...args());
      assert.match(ended.stderr, says);
      assert.equal(ended.status, status, ended.stderr);
      assert.doesNotMatch(ended.stderr, /\n {4}at /, 'a sentence, not a stack');
    });
  }

  for (const phase of ['request', 'check']) {
    test(`counts a scenario that throws in its ${phase} as a failure of the script, and calls the run invalid`, async () => {
      const ended = await shell.lab('run', faulty(phase), '--url', url, ...short);
      assert.equal(ended.status, 4, ended.stderr);
      assert.match(ended.stdout, /script/);
      assert.match(ended.stdout, /the dog ate it/);
    });
  }

  test('goes on when a renewal throws, and counts it', async () => {
    const ended = await shell.lab('run', faulty('renew'), '--url', url, ...short);
    assert.match(ended.stdout, /the dog ate it/);
  });

  test('calls a refused port invalid, status 4', async () => {
    const ended = await shell.lab('run', 'http://127.0.0.1:9/', ...short);
    assert.equal(ended.status, 4);
    assert.match(ended.stdout, /connect/);
  });

  test('says that the server ended by itself, when the lab started it', async () => {
    const script =
      "require('http').createServer((q, r) => r.end('ok')).listen(18473, '127.0.0.1'); setTimeout(() => process.exit(7), 1500)";
    const command = `${process.execPath} -e "${script}"`;
    const args = ['--rate', '50', '--duration', '4s', '--warmup', '0', '--connections', '2'];
    const ended = await shell.lab('run', 'http://127.0.0.1:18473/', '--server', command, ...args);
    assert.equal(ended.status, 4, ended.stderr);
    assert.match(ended.stdout, /server: it ended by itself \(exit status 7\)/);
    assert.match(ended.stdout, /connect/);
  });

  test('keeps headers and bodies out of the result file', async () => {
    const secret = 'hunter2-hunter2';
    const args = ['-H', `authorization: Bearer ${secret}`, '--body', secret, `--header=cookie: ${secret}`];
    const ended = await shell.lab('run', url, ...short, ...args, '--out', 'kept.json');
    assert.ok(ended.status === 0 || ended.status === 3, ended.stderr);
    const { stdout } = await shell.lab('report', 'kept.json', '--format', 'html');
    assert.ok(stdout.length > 10_000);
    assert.ok(!stdout.includes(secret));
    assert.ok(!ended.stdout.includes(secret));
  });

  test('says what is wrong with a result of another version, or one cut short', async () => {
    await shell.lab('run', url, ...short, '--out', 'whole.json');
    writeFileSync(join(shell.folder, 'other.json'), JSON.stringify({ format: 'irontrack-lab', version: 99 }));
    writeFileSync(join(shell.folder, 'cut.json'), '{"format":"irontrack-lab","version":1,"kind":"ru');
    for (const [file, says] of [
      ['other.json', /version/],
      ['cut.json', /cut short|JSON/],
    ] as const) {
      const ended = await shell.lab('report', file);
      assert.equal(ended.status, 1);
      assert.match(ended.stderr, says);
    }
  });
});
