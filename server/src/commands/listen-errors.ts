/** What can go wrong when a server starts to listen, in words. */
import { lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Config } from '../config.ts';
import { exitStatus, StartupError } from '../startup-error.ts';

export function explainListening(error: unknown, config: Config): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error;
  const { listen } = config;
  const place = 'path' in listen ? `the socket ${listen.path}` : `${listen.host}:${listen.port}`;
  const reasons: Readonly<Record<string, [69 | 78, string]>> = {
    EADDRINUSE: [
      exitStatus.unavailable,
      `${place} is in use. Stop the other program, or choose another PORT.`,
    ],
    EACCES: [exitStatus.badConfiguration, `This user may not listen on ${place}. Choose a PORT above 1023.`],
    EADDRNOTAVAIL: [exitStatus.badConfiguration, `${place} is no address of this machine. Check HOST.`],
    ENOTFOUND: [exitStatus.badConfiguration, `${place} cannot be resolved. Check HOST.`],
    ENOENT: [
      exitStatus.badConfiguration,
      `The folder of ${place} does not exist. Make it, or change SOCKET_PATH.`,
    ],
  };
  const reason = reasons[String(error.code)];
  return reason === undefined ? error : new StartupError(reason[0], reason[1], { cause: error });
}

/** A socket that a killed server left behind would be in the way; one that somebody answers on is left alone. */
export async function removeDeadSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isSocket() !== true) return;
  const isAlive = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (!isAlive) await unlink(path);
}
