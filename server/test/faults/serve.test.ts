import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Answer, call, member, textMember } from '../support/service.ts';
import { everythingWritten, makeFolder, type RunningServer, runCommand, startServer } from './process.ts';

// One data folder through a life: first start, second start, commands beside it and after it.
const environment = { DATA_DIR: `${makeFolder()}/data` };
const secrets: string[] = [];
let administrator = { email: '', password: '' };
let server: RunningServer;

async function signIn(email: string, password: string): Promise<Answer> {
  const answer = await call(server, '/api/v1/auth/login', { json: { email, password } });
  if (answer.status === 200) {
    secrets.push(textMember(answer.body, 'access_token'), textMember(answer.body, 'refresh_token'));
  }
  return answer;
}

const me = (bearer: string) => call(server, '/api/v1/access/me', { bearer });
const kidOf = (token: string) =>
  textMember(JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()), 'kid');

async function eventually(isTrue: () => Promise<boolean>, what: string, withinMs = 10_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isTrue())) {
    assert.ok(performance.now() < deadline, `Not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test('the very first start says where it serves, where the documentation is, and who administers it', async () => {
  server = await startServer(environment);
  await eventually(
    async () => server.output().includes('Password, shown this once:'),
    'the password is shown',
  );
  const output = server.output();
  assert.ok(output.includes(`Documentation: ${server.url}/docs`));
  const email = /^Administrator: (\S+)$/m.exec(output)?.[1] ?? '';
  const password = /^Password, shown this once: (\S+)$/m.exec(output)?.[1] ?? '';
  assert.ok(password.length >= 20, password);
  administrator = { email, password };
  assert.equal((await call(server, '/ping')).body, 'OK');
  assert.equal((await call(server, '/ready')).status, 200);
  assert.equal((await call(server, '/docs')).status, 200);
});

test('the administrator signs in with the printed password', async () => {
  const answer = await signIn(administrator.email, administrator.password);
  assert.equal(answer.status, 200);
  const self = await me(textMember(answer.body, 'access_token'));
  assert.equal(member(self.body, 'isSuperuser'), true);
});

test('a server that npm started ends in order when the shell between them is killed', {
  skip: process.platform === 'win32' && 'npm runs no shell of this kind here',
}, async () => {
  const folder = makeFolder();
  const launcher = fileURLToPath(new URL('../../bin/irontrack.mjs', import.meta.url));
  const { PATH = '', HOME = '' } = process.env;
  // As npm does it. The second command keeps the shell from becoming the first.
  const shell = spawn('sh', ['-c', '"$@" serve; true', 'sh', process.execPath, launcher], {
    env: { PATH, HOME, PORT: '0', DATA_DIR: `${folder}/data`, npm_lifecycle_event: 'start' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  shell.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await eventually(async () => output.includes('Documentation:'), 'it serves', 60_000);
  const closed = once(shell.stdout, 'close');
  shell.kill('SIGTERM');
  await closed;
  assert.match(output, /"reason":"parent gone"/);
});

test('a second server on the same data folder is refused', async () => {
  const { status, stderr } = await runCommand(['serve'], environment);
  assert.equal(status, 69);
  assert.match(stderr, /in use|another/i);
  assert.equal((await call(server, '/ping')).status, 200);
});

test('create-superuser works while a server runs, with the password from standard input', async () => {
  const password = 'From-Standard-Input-1';
  secrets.push(password);
  const args = ['create-superuser', '--email', 'Second@Example.org'];
  const { status, stdout, stderr } = await runCommand(args, environment, `${password}\n`);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /second@example\.org/);
  const answer = await signIn('second@example.org', password);
  assert.equal(answer.status, 200);
  const again = await runCommand(args, environment, `${password}\n`);
  assert.equal(again.status, 64);
  assert.match(again.stderr, /belongs to an account already/);
});

test('rotate-signing-key lets new tokens have the new key and leaves the old ones good', async () => {
  const before = textMember((await signIn(administrator.email, administrator.password)).body, 'access_token');
  const { status, stderr, stdout } = await runCommand(['rotate-signing-key'], environment);
  assert.equal(status, 0, stderr);
  const kid = /The new signing key is (\S+)\./.exec(stdout)?.[1];
  await eventually(async () => {
    const answer = await signIn(administrator.email, administrator.password);
    return kidOf(textMember(answer.body, 'access_token')) === kid;
  }, 'a new token has the new key');
  assert.notEqual(kidOf(before), kid);
  assert.equal((await me(before)).status, 200);
});

test('rotate-signing-key --revoke-old refuses the tokens of the old keys, and refresh goes on', async () => {
  const { body } = await signIn(administrator.email, administrator.password);
  const before = textMember(body, 'access_token');
  assert.equal((await me(before)).status, 200);
  const { status, stderr } = await runCommand(['rotate-signing-key', '--revoke-old'], environment);
  assert.equal(status, 0, stderr);
  await eventually(async () => (await me(before)).status === 401, 'the old token is refused');
  const answer = await call(server, '/api/v1/auth/refresh', {
    json: { refresh_token: textMember(body, 'refresh_token') },
  });
  assert.equal(answer.status, 200);
  const token = textMember(answer.body, 'access_token');
  secrets.push(token, textMember(answer.body, 'refresh_token'));
  assert.equal((await me(token)).status, 200);
});

test('SIGTERM ends it with status 0', async () => {
  server.signal('SIGTERM');
  const { status } = await server.finished;
  assert.equal(status, 0);
  await assert.rejects(call(server, '/ping'));
});

test('create-superuser works while no server runs', async () => {
  const password = 'On-The-Command-Line-1';
  secrets.push(password);
  const args = ['create-superuser', '--email', 'third@example.org', '--password', password];
  const { status, stderr } = await runCommand(args, environment);
  assert.equal(status, 0, stderr);
});

test('the second start shows no password, and everybody is still there', async () => {
  server = await startServer(environment);
  assert.equal((await signIn(administrator.email, administrator.password)).status, 200);
  assert.equal((await signIn('third@example.org', 'On-The-Command-Line-1')).status, 200);
  assert.doesNotMatch(server.output(), /Password|Administrator/);
});

test('killed without warning it starts again on the same folder', async () => {
  server.signal('SIGKILL');
  await server.finished;
  server = await startServer(environment);
  assert.equal((await signIn(administrator.email, administrator.password)).status, 200);
  server.signal('SIGINT');
  assert.equal((await server.finished).status, 0);
});

test('in all that was printed and logged there is no secret but the one password, once', () => {
  const written = everythingWritten();
  assert.ok(secrets.length > 10);
  for (const secret of secrets) assert.ok(!written.includes(secret), `${secret.slice(0, 12)}... was written`);
  assert.equal(written.split(administrator.password).length - 1, 1);
  assert.doesNotMatch(written, /"d":"|PRIVATE KEY|\$argon2id\$/);
});
