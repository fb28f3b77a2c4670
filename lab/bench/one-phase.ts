/** One measured phase of the real generator after a second of warm-up, for the benches of the generator itself. */

import { openGenerator } from '../src/load/open-generator.ts';
import type { CorePlan } from '../src/load/pinning.ts';
import type { RunMeasurement } from '../src/result/result.ts';

export async function measureOnce(options: {
  url: string;
  /** null for a closed loop. */
  ratePerS: number | null;
  connections: number;
  durationS: number;
  cores: Pick<CorePlan, 'server' | 'generator'>;
}): Promise<RunMeasurement> {
  const { url, ratePerS, connections, durationS, cores } = options;
  const generator = await openGenerator(
    {
      url,
      insecure: false,
      request: { method: 'GET', headers: {}, body: '' },
      seed: 1,
      maxBodyBytes: 65_536,
      load: {
        loop: ratePerS === null ? 'closed' : 'open',
        ratePerS,
        arrivals: 'constant',
        connections,
        durationS,
        warmupS: 1,
        pauseS: 0,
        timeoutS: 5,
        spin: true,
        protocol: 'http/1.1',
        serverCores: cores.server,
        generatorCores: cores.generator,
      },
    },
    { cores: cores.generator, interrupted: new AbortController().signal },
  );
  try {
    await generator.run({ durationS: 1, ratePerS });
    return await generator.run({ durationS, ratePerS });
  } finally {
    await generator.close();
  }
}
