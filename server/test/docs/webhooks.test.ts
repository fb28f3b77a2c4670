import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, test } from 'node:test';
import { retryDelaysMs } from '../../src/webhooks/outcome.ts';
import { openDeliveryBench, readState, until } from '../support/deliveries.ts';
import { examplesIn, plain, readDocument, sectionOf, tableRows } from './document.ts';

const document = readDocument('docs/webhooks.md');

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  server.close();
  await once(server, 'close');
  return address.port;
}

test('the receiver of docs/webhooks.md has 20 lines, takes what is signed, and refuses what is not', async () => {
  const [source = ''] = examplesIn(sectionOf(document, 'A receiver'), 'js');
  assert.ok(source.split('\n').filter((line) => line !== '').length <= 20);
  const bench = await openDeliveryBench();
  const { engine } = bench.startEngine();
  const port = await findFreePort();
  const { id: organizationId, secret } = await bench.addOrganization(`http://127.0.0.1:${port}/`);
  const receiver = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    env: { WEBHOOK_SECRET: `whsec_${secret.toString('base64')}`, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  after(() => receiver.kill());
  let printed = '';
  receiver.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  const post = () => fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: '{}' });
  await until('it listens', () =>
    post().then(
      () => true,
      () => false,
    ),
  );
  assert.equal((await post()).status, 400);
  for (const order of [7, 8]) {
    const id = await bench.addEvent(organizationId, {
      type: 'order.created',
      payload: `{"order": ${order}}`,
    });
    engine.wake();
    await until('it is delivered', async () => (await readState(bench, id)).status === 'delivered');
  }
  await until('it is printed', () => printed === 'order.created {"order":7}\norder.created {"order":8}\n');
});

test('the waits in docs/webhooks.md are those of the code', () => {
  const rows = tableRows(sectionOf(document, 'What your answer means'), 'retry');
  assert.deepEqual(
    rows.map(([number, wait]) => [Number(number), wait]),
    retryDelaysMs.map((delay, index) => [index + 1, `${delay / 1000} s`]),
  );
});

test('the headers in docs/webhooks.md are those of a delivery', () => {
  const named = tableRows(document, 'header').map(([name]) => plain(name));
  assert.deepEqual(named, [
    'webhook-id',
    'webhook-timestamp',
    'webhook-signature',
    'x-event-id',
    'x-event-type',
  ]);
});
