/**
 * What the event loop itself saw while a profile ran, from a probe put into the target through the inspector.
 *
 * monitorEventLoopDelay gives a distribution that omits the length of a stall and includes its own interval, so it
 * can name no single one. The probe is an unref'd 1 ms timer that notes where two of its turns are 20 ms or more
 * apart: that is the truth about when nobody was answered, whoever was at fault (JavaScript, GC, or a core that other
 * processes held). A profile alone cannot tell: a loop that is always busy with many short requests looks the same as
 * one long stall. So the probe says when, and the samples of the profile in that stretch say what.
 * It costs some 1,000 wake-ups a second: for a profile pass only, where it shows under its own name.
 */
import { type LoopGap, shortestStallMs } from '../sample/stall-list.ts';
import { field, type Inspector } from './inspector.ts';

/** Frames of this name in a profile are ours. */
export const probeName = 'irontrackLabProbe';

export interface LoopSeen {
  /** startS counts from the start of the probe. */
  gaps: LoopGap[];
  /** When the probe started, in microseconds of the clock that V8 stamps its samples with. */
  startedAtUs: number;
  wallS: number;
  /** Share of the time in which the loop was not waiting for events, by performance.eventLoopUtilization(). */
  utilization: number;
}

/** Kept in the target between start and end under a symbol, where no code of the application meets it. */
const slot = `globalThis[Symbol.for('irontrack-lab.probe')]`;

const startSource = `(() => {
  const clock = () => Number(process.hrtime.bigint()) / 1e6;
  const probe = { gaps: [], startedAt: clock(), last: clock(), clock };
  probe.utilization = performance.eventLoopUtilization();
  probe.turn = function ${probeName}() {
    const now = clock();
    if (now - probe.last - 1 >= ${shortestStallMs} && probe.gaps.length < 10000) {
      probe.gaps.push([probe.last + 1, now - probe.last - 1]);
    }
    probe.last = now;
  };
  probe.timer = setInterval(probe.turn, 1);
  probe.timer.unref();
  ${slot} = probe;
  return 0;
})()`;

const endSource = `(() => {
  const probe = ${slot};
  clearInterval(probe.timer);
  probe.turn();
  delete ${slot};
  const { gaps, startedAt, last } = probe;
  return { gaps, startedAt, last, utilization: performance.eventLoopUtilization(probe.utilization).utilization };
})()`;

/** Starts the probe; the function it gives ends it, takes it out again and tells what it saw. */
export async function startLoopProbe(inspector: Inspector): Promise<() => Promise<LoopSeen>> {
  await inspector.evaluate(startSource);
  return async () => {
    const seen = await inspector.evaluate(endSource);
    const startedAt = Number(field(seen, 'startedAt'));
    const pairs: unknown = field(seen, 'gaps');
    const gaps: LoopGap[] = [];
    for (const pair of Array.isArray(pairs) ? pairs : []) {
      const [startMs, lengthMs] = Array.isArray(pair) ? pair.map(Number) : [];
      if (startMs === undefined || lengthMs === undefined) continue;
      gaps.push({ startS: (startMs - startedAt) / 1000, lengthMs });
    }
    return {
      gaps,
      startedAtUs: startedAt * 1000,
      wallS: (Number(field(seen, 'last')) - startedAt) / 1000,
      utilization: Number(field(seen, 'utilization')),
    };
  };
}
