/**
 * Starts a service of the experiment: `node main.ts --port 8000 --database postgres://... --step 3`. The other options
 * change a single switch of that step.
 */
import { parseArgs } from 'node:util';
import { buildService } from './service.ts';
import { type Switches, switchesOfStep } from './steps.ts';

interface Given {
  step: string;
  statements?: string | undefined;
  lanes?: string | undefined;
  log?: boolean | undefined;
}

/** @throws RangeError for what no service can be */
function readSwitches(given: Given): Switches {
  const switches = switchesOfStep(Number(given.step));
  const { statements = switches.statements } = given;
  const lanes = Number(given.lanes ?? switches.lanes);
  if (statements !== 'two' && statements !== 'pipelined' && statements !== 'parallel' && statements !== 'one')
    throw new RangeError('--statements takes two, pipelined, parallel or one.');
  if (!Number.isInteger(lanes) || lanes < 1 || lanes > 16)
    throw new RangeError('--lanes takes a whole number from 1 to 16.');
  return { ...switches, statements, lanes, log: given.log === true };
}

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8000' },
    database: { type: 'string' },
    step: { type: 'string', default: '0' },
    statements: { type: 'string' },
    lanes: { type: 'string' },
    log: { type: 'boolean' },
  },
});
if (values.database === undefined) throw new RangeError('Give --database postgres://user@host/name.');
const app = await buildService({
  switches: readSwitches(values),
  databaseUrl: values.database,
  now: Date.now,
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void app.close());
await app.listen({ host: '127.0.0.1', port: Number(values.port) });
