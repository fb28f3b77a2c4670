/** What a half takes in memory: it is kept for long, and how many are kept goes by what it says of itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { HalfRow } from './half.sql.ts';
import { createHalf, type Half } from './half.ts';

setFlagsFromString('--expose-gc');
const collect: unknown = runInNewContext('gc');

async function heapAfterCollection(): Promise<number> {
  assert.ok(typeof collect === 'function');
  for (let round = 0; round < 3; round += 1) {
    await turn();
    collect();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** As the database client makes them: each text is one of its own. */
const text = (value: string) => Buffer.from(value).toString();

function createRows(count: number, name: string, muscles: number): HalfRow[] {
  return Array.from({ length: count }, (_, place) => ({
    id: text(`01999999-0000-7000-8000-${String(place).padStart(12, '0')}`),
    nameKey: text(`${name}${String(place).padStart(6, '0')}`),
    createdAt: text('2026-01-01T00:00:00.123456Z'),
    rankInTime: count - place,
    category: text('strength'),
    difficultyLevel: text('beginner'),
    primaryMuscles: text(Array.from({ length: muscles }, (__, item) => item + 1).join(',')),
    equipment: '',
    tags: '',
  }));
}

test('a half does not keep the rows that it was made of', async () => {
  const [half, rows] = (() => {
    const made = createRows(300, 'row ', 3);
    return [createHalf(made), new WeakRef(made)];
  })();
  await heapAfterCollection();
  assert.equal(rows.deref(), undefined);
  assert.equal(half.size, 300);
});

for (const { label, halves, rows, name, muscles } of [
  { label: 'no exercise', halves: 1_000, rows: 0, name: 'row ', muscles: 0 },
  { label: 'one exercise', halves: 1_000, rows: 1, name: 'row ', muscles: 1 },
  { label: 'one exercise of 150 muscles', halves: 100, rows: 1, name: 'row ', muscles: 150 },
  { label: '300 long names beyond Latin', halves: 40, rows: 300, name: '\u4e00'.repeat(94), muscles: 3 },
  { label: '5,000 exercises', halves: 4, rows: 5_000, name: 'some exercise ', muscles: 17 },
]) {
  test(`a half of ${label} takes about as many bytes as it says`, async () => {
    const kept: Half[] = [createHalf(createRows(rows, name, muscles))];
    const before = await heapAfterCollection();
    for (let serial = 0; serial < halves; serial += 1) kept.push(createHalf(createRows(rows, name, muscles)));
    const taken = ((await heapAfterCollection()) - before) / halves;
    const said = kept[0]?.bytes ?? 0;
    assert.ok(taken < said * 1.3 && taken > said * 0.3, `It takes ${taken} and says ${said}.`);
  });
}
