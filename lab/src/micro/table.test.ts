import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MicroRow } from '../result/result.ts';
import { renderBenchmarkTable } from './table.ts';

const health: MicroRow = {
  name: 'GET /health',
  minUs: 984.1,
  maxUs: 1_551.3,
  meanUs: 1_139,
  stddevUs: 109.8,
  medianUs: 1_115.1,
  iqrUs: 167.2,
  outliers: [39, 2],
  opsPerS: 877.9666,
  rounds: 133,
  iterations: 1,
};
const openapi: MicroRow = {
  ...health,
  name: 'GET /openapi.json',
  minUs: 1_652.3,
  maxUs: 2_089.2,
  meanUs: 1_784.3,
  opsPerS: 560.4471,
  outliers: [2, 0],
  rounds: 10,
};

test('The table has the columns, the factors and the unit of the fastest row, fastest first', () => {
  const text = renderBenchmarkTable([openapi, health], { colour: false });
  const [top, head, , first, second] = text.split('\n');
  assert.match(top ?? '', /^-+ benchmark: 2 tests -+$/);
  assert.deepEqual(head?.trim().split(/ {2,}/), [
    'Name (time in us)',
    'Min',
    'Max',
    'Mean',
    'StdDev',
    'Median',
    'IQR',
    'Outliers',
    'OPS',
    'Rounds',
    'Iterations',
  ]);
  assert.match(
    first ?? '',
    /^GET \/health +984\.1000 \(1\.0\) +1,551\.3000 \(1\.0\) .* 39;2 +877\.9666 \(1\.0\) +133 +1$/,
  );
  assert.match(second ?? '', /^GET \/openapi\.json +1,652\.3000 \(1\.68\) +2,089\.2000 \(1\.35\)/);
  assert.match(second ?? '', / 560\.4471 \(0\.64\) +10 +1$/);
  assert.equal(
    new Set(
      text
        .split('\n')
        .slice(0, 5)
        .map((line) => line.length),
    ).size,
    1,
  );
});

test('Colours are only there when asked for: best green, worst red, none without a difference', () => {
  const render = (rows: MicroRow[], colour: boolean) =>
    renderBenchmarkTable(rows, { colour }).replaceAll('\x1b', 'ESC');
  assert.doesNotMatch(render([health, openapi], false), /ESC/);
  const coloured = render([health, openapi], true);
  assert.match(coloured, /ESC\[32;1m *984\.1000/);
  assert.match(coloured, /ESC\[31;1m *1,652\.3000/);
  assert.doesNotMatch(render([health], true), /ESC/);
});

test('The unit fits the fastest, and nothing is divided by nothing', () => {
  const fast = { ...health, minUs: 0.0123, stddevUs: 0, opsPerS: 5e7 };
  const text = renderBenchmarkTable([fast, health], { colour: false });
  assert.match(text, /time in ns/);
  assert.match(text, /12\.3000 \(1\.0\)/);
  assert.match(text, /\(>1000\.0\)/);
  assert.match(text, /\(inf\)/);
  assert.match(text, /OPS \(Mops\/s\)/);
  assert.match(renderBenchmarkTable([{ ...health, minUs: 2e6 }], { colour: false }), /time in s\)/);
});
