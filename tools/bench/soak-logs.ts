/** The logs of a deployment while it runs: looked through for warnings, then cut, as they would fill a disk in a day. */
import { createReadStream, existsSync, globSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface LogWatch {
  /** The first warnings, with the file of each, paths from the folder of the deployment. */
  readonly first: readonly string[];
  /** Looks through what was written since the last time. @returns how many lines were warnings or worse */
  look(): Promise<number>;
}

const kept = 20;
/** Of the nodes: JSON whose level is 40 or more. */
const isNodeWarning = (line: string) => /"level":[456]0\b/.test(line) || !line.startsWith('{');
/** What a node says as it starts is no JSON. */
const greeting = /^(?:IronTrack serves|Documentation:|Administrator:|$)/;
/**
 * What Node says as its inspector is opened for a collection. A supervisor has its workers open theirs too, for which the
 * port is taken.
 */
const inspection = /^(?:Debugger (?:listening|attached|ending)|For help, see: |Starting inspector on )/;

/** @param folder of the deployment */
export function watchLogs(folder: string): LogWatch {
  const first: string[] = [];
  const accessLog = join(folder, 'nginx', 'access.log');

  async function lookThrough(file: string, isWarning: (line: string) => boolean): Promise<number> {
    let count = 0;
    for await (const line of createInterface({ input: createReadStream(file) })) {
      if (!isWarning(line)) continue;
      count += 1;
      if (first.length < kept) first.push(`${file}: ${line.slice(0, 500)}`.replaceAll(folder, '.'));
    }
    // All who write there append, so that it goes on at the beginning. A line written just now is lost.
    truncateSync(file);
    return count;
  }

  return {
    first,
    async look() {
      let count = 0;
      for (const file of globSync(join(folder, '*', 'node.log'))) {
        count += await lookThrough(
          file,
          (line) => isNodeWarning(line) && !greeting.test(line) && !inspection.test(line),
        );
      }
      for (const file of globSync(join(folder, 'nginx', 'error.log'))) {
        count += await lookThrough(file, () => true);
      }
      if (existsSync(accessLog)) truncateSync(accessLog);
      return count;
    },
  };
}
