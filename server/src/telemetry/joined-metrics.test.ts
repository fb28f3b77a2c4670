import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shareWriting } from './joined-metrics.ts';

test('a page of metrics is written once for all who ask meanwhile, and anew for whoever asks later', async () => {
  let written = 0;
  let finish: () => void = () => undefined;
  const page = shareWriting({
    contentType: 'text/plain',
    async metrics() {
      written += 1;
      const own = written;
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      if (own === 2) throw new Error('broken');
      return `page ${own}`;
    },
  });
  const asked = Array.from({ length: 200 }, () => page.metrics());
  finish();
  assert.deepEqual(new Set(await Promise.all(asked)), new Set(['page 1']));
  const broken = page.metrics();
  finish();
  await assert.rejects(broken, /broken/);
  const later = page.metrics();
  finish();
  assert.equal(await later, 'page 3');
});
