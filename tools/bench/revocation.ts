/**
 * How soon another node refuses what one node has just ended: 1,000 sessions, roles, API keys and signing keys, and how
 * soon it accepts what is signed with the new key. The goal is a P99 of 100 ms from the answer of the one to the refusal
 * of the other, on all of its connections. Signing keys are withdrawn by the command, half a second each.
 *
 * node tools/bench/revocation.ts [--trials 1000] [--workers 1] [--valkey URL]
 *
 * Both nodes share the PostgreSQL of the first. With --valkey they share that as well. The status is 1 when the goal is
 * missed.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measureRefusals, shareOf } from '../../server/test/topology/refusals.ts';
import { startServing } from './serving.ts';

const { values } = parseArgs({
  options: {
    trials: { type: 'string', default: '1000' },
    workers: { type: 'string', default: '1' },
    valkey: { type: 'string', default: '' },
  },
});
const goalMs = 100;
const superuser = { email: 'chief@example.org', password: 'Correct-Horse-7' };
const main = fileURLToPath(new URL('../../server/src/main.ts', import.meta.url));

const environment = {
  ARGON2_MEMORY_KIB: '64',
  ARGON2_PASSES: '1',
  LOG_LEVEL: 'warn',
  WORKERS: values.workers,
  VALKEY_URL: values.valkey,
};
const first = await startServing({ environment });
try {
  const socketFolder = encodeURIComponent(join(first.dataDir, 'data', 'postgresql'));
  const url = `postgres://irontrack@localhost/irontrack?host=${socketFolder}`;
  const create = [main, 'create-superuser', '--email', superuser.email, '--password', superuser.password];
  execFileSync(process.execPath, create, {
    env: { ...process.env, ...environment, DATABASE_URL: url },
    stdio: 'ignore',
  });
  const second = await startServing({ environment: { ...environment, DATABASE_URL: url } });
  try {
    const delays = await measureRefusals({
      first: { port: Number(new URL(first.url).port) },
      second: { port: Number(new URL(second.url).port) },
      superuser,
      environment: {
        ...process.env,
        ...environment,
        DATABASE_URL: url,
        DATA_DIR: join(first.dataDir, 'data'),
      },
      trials: Number(values.trials),
      run: String(Date.now()),
    });
    process.stdout.write('| on one node | trials | P50 ms | P90 ms | P99 ms | max ms |\n');
    process.stdout.write('| --- | ---: | ---: | ---: | ---: | ---: |\n');
    for (const [name, sample] of delays) {
      const figures = [0.5, 0.9, 0.99, 1].map((share) => shareOf(sample, share).toFixed(1));
      process.stdout.write(`| ${[name, sample.length, ...figures].join(' | ')} |\n`);
      if (shareOf(sample, 0.99) > goalMs) process.exitCode = 1;
    }
  } finally {
    await second.stop();
  }
} finally {
  await first.stop();
}
