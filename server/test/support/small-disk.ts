/** A file system with little room, in memory, to be filled. */
import { execFileSync } from 'node:child_process';
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SmallDisk {
  /** An empty folder on it. */
  folder: string;
  /** Writes a file until not another byte fits. */
  fill(): void;
  /** Removes that file. */
  free(): void;
  close(): void;
}

/** For the `skip` of a test: whoever may not mount cannot have one. */
export function withoutSmallDisk(): string | false {
  if (process.platform !== 'linux') return 'no file system is mounted for a test except on Linux';
  try {
    openSmallDisk(1).close();
    return false;
  } catch {
    return 'no file system can be mounted here: run it as root';
  }
}

export function openSmallDisk(megabytes: number): SmallDisk {
  const place = mkdtempSync(join(tmpdir(), 'irontrack-disk-'));
  chmodSync(place, 0o755);
  const unmount = () => {
    execFileSync('umount', ['--lazy', place], { stdio: 'ignore' });
    rmSync(place, { recursive: true });
  };
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'tmpfs', place], {
      stdio: 'ignore',
    });
  } catch (error) {
    rmSync(place, { recursive: true });
    throw error;
  }
  // A test that failed half-way leaves nothing mounted.
  process.once('exit', unmount);
  const folder = join(place, 'data');
  mkdirSync(folder);
  const filler = join(place, 'filler');
  return {
    folder,
    fill() {
      const file = openSync(filler, 'a');
      for (const size of [1_048_576, 4_096, 1]) {
        while (writes(file, size));
      }
      closeSync(file);
    },
    free: () => rmSync(filler),
    close() {
      process.off('exit', unmount);
      unmount();
    },
  };
}

function writes(file: number, size: number): boolean {
  try {
    return writeSync(file, Buffer.alloc(size)) > 0;
  } catch {
    return false;
  }
}
