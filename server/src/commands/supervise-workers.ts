/** `serve` with several workers: does once what is to be done once, then keeps them and passes on what they say. */
import { fileURLToPath } from 'node:url';
import { createMemoryCounters } from '../cache/memory-counters.ts';
import { systemClock } from '../clock.ts';
import type { Config } from '../config.ts';
import { addUpCounted, describeRestarts } from '../telemetry/joined-metrics.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { shareOf } from '../workers/share.ts';
import { createSupervisor } from '../workers/supervisor.ts';
import { createForking } from '../workers/worker-process.ts';
import { createPrimaryAdministrator } from './administrator.ts';
import { removeDeadSocket } from './listen-errors.ts';
import { announceServing, type Closing, prepareDatabase, warnOfSettings } from './serving.ts';
import { loadSigningKey } from './signing-key.ts';

export interface SupervisingNeeds {
  config: Config;
  telemetry: Telemetry;
  closing: Closing;
  /** Takes what begins a rolling restart, once there is something to restart. */
  onRestart: (begin: () => void) => void;
}

/** @throws StartupError when the first worker cannot start, among others */
export async function superviseWorkers({
  config,
  telemetry,
  closing,
  onRestart,
}: SupervisingNeeds): Promise<void> {
  const { log } = telemetry;
  warnOfSettings(config, telemetry);
  const database = await prepareDatabase(config, telemetry, closing);
  // Made here if there is none, so that workers do not race for it.
  await loadSigningKey(config);
  if ('path' in config.listen) await removeDeadSocket(config.listen.path);
  const supervisor = createSupervisor({
    workers: config.workers,
    fork: createForking({
      file: fileURLToPath(new URL('../main.ts', import.meta.url)),
      args: ['serve-as-worker'],
      // Each would ask its own standard output, which is not always the terminal.
      environment: { LOG_FORMAT: config.log.format },
    }),
    postOf: (place) => ({
      place,
      database,
      hashConcurrency: shareOf(config.hashing.concurrency, config.workers, place),
    }),
    counters: createMemoryCounters(systemClock),
    log,
    now: () => performance.now(),
    addUp: addUpCounted,
    describe: describeRestarts,
  });
  closing(supervisor.stop);
  const shown = await supervisor.start();
  onRestart(() => {
    log.info('Rolling restart: the workers are replaced one after the other.');
    void supervisor.restart();
  });
  const administrator = await createPrimaryAdministrator(config, database.address);
  announceServing(telemetry, shown, administrator);
}
