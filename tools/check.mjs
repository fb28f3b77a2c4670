/**
 * `npm run check`: installs what is missing, then runs every check of the code that is not a test, side by side, one
 * line each, on the pinned Node whatever Node started it.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ensureInstalled } from './install.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const biome = 'node_modules/@biomejs/biome/bin/biome';
const outputLimit = 12_000;

/** A warning that does not fail is one that nobody reads, so Biome's count as errors. */
const checks = [
  { name: 'format', args: [biome, 'format', '--colors=off', '--reporter=summary', '.'] },
  { name: 'lint', args: [biome, 'lint', '--colors=off', '--error-on-warnings', '.'] },
  { name: 'types', args: ['node_modules/typescript/bin/tsc', '--noEmit', '--pretty', 'false', '-p', '.'] },
  {
    name: 'report page',
    args: [
      'node_modules/typescript/bin/tsc',
      '--noEmit',
      '--pretty',
      'false',
      '-p',
      'lab/src/report/browser',
    ],
  },
  {
    name: 'flame page',
    args: [
      'node_modules/typescript/bin/tsc',
      '--noEmit',
      '--pretty',
      'false',
      '-p',
      'lab/src/profile/browser',
    ],
  },
  { name: 'boundaries', args: ['tools/boundaries.ts'] },
  { name: 'source rules', args: ['tools/source-rules.ts'] },
  { name: 'prose', args: ['tools/source-rules.ts', 'prose'] },
];

function runCheck(node, { name, args }) {
  const startedAt = Date.now();
  return new Promise((resolve) => {
    const child = spawn(node, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const collect = (chunk) => {
      output += chunk;
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', (error) => resolve({ name, passed: false, output: String(error), seconds: 0 }));
    child.on('close', (status) => {
      resolve({ name, passed: status === 0, output, seconds: (Date.now() - startedAt) / 1000 });
    });
  });
}

await ensureInstalled();
const { findPinnedNode } = await import('../server/bin/pinned-node.mjs');
const node = findPinnedNode() ?? process.execPath;
const results = await Promise.all(checks.map((check) => runCheck(node, check)));
for (const { name, passed, output, seconds } of results) {
  const warnings = output.split('\n').filter((line) => line.includes('[warning ')).length;
  const noted = passed && warnings > 0 ? `, ${warnings} warnings` : '';
  process.stdout.write(
    `${passed ? 'ok    ' : 'FAILED'} ${name.padEnd(12)} ${seconds.toFixed(1)} s${noted}\n`,
  );
}
for (const { name, passed, output } of results) {
  if (passed) continue;
  const rest =
    output.length > outputLimit ? `\n(${output.length - outputLimit} more characters not shown)` : '';
  process.stdout.write(`\n--- ${name}\n${output.slice(0, outputLimit).trimEnd()}${rest}\n`);
}
const failed = results.filter(({ passed }) => !passed).length;
process.stdout.write(`\nchecks: ${results.length - failed} ok, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
