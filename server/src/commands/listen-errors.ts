/** What can go wrong when a server starts to listen, in words. */
import { lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Config } from '../config.ts';
import { exitStatus, StartupError } from '../startup-error.ts';

type Reasons = Readonly<Record<string, [status: 69 | 78, sentences: string]>>;

/**
 * @param portVariable the variable that says the port
 * @returns what to tell the operator instead of an error of the system; any other error as it came
 */
export function explainListening(
  error: unknown,
  { listen }: Pick<Config, 'listen'>,
  portVariable = 'PORT',
): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error;
  const reasons =
    'path' in listen
      ? socketReasons(listen.path)
      : portReasons(`${listen.host}:${listen.port}`, portVariable);
  const reason = reasons[String(error.code)];
  return reason === undefined ? error : new StartupError(reason[0], reason[1], { cause: error });
}

function portReasons(place: string, portVariable: string): Reasons {
  return {
    EADDRINUSE: [
      exitStatus.unavailable,
      `${place} is in use. Stop the other program, or choose another ${portVariable}.`,
    ],
    EACCES: [
      exitStatus.badConfiguration,
      `This user may not listen on ${place}. Choose a ${portVariable} above 1023.`,
    ],
    EADDRNOTAVAIL: [exitStatus.badConfiguration, `${place} is no address of this machine. Check HOST.`],
    ENOTFOUND: [exitStatus.badConfiguration, `${place} cannot be resolved. Check HOST.`],
  };
}

function socketReasons(path: string): Reasons {
  const place = `the socket ${path}`;
  const noFolder: [78, string] = [
    exitStatus.badConfiguration,
    `The folder of ${place} does not exist. Make it, or change SOCKET_PATH.`,
  ];
  const noRight: [78, string] = [
    exitStatus.badConfiguration,
    `This user may not make ${place}. Give it the right to write in the folder, or change SOCKET_PATH.`,
  ];
  return {
    EADDRINUSE: [
      exitStatus.unavailable,
      `There is something at ${path} already. Stop the program that listens there, or change SOCKET_PATH.`,
    ],
    ENOENT: noFolder,
    ENOTDIR: noFolder,
    EACCES: noRight,
    EPERM: noRight,
    EROFS: noRight,
    // What libuv says of a path that does not fit in sockaddr_un: 107 bytes on Linux, 103 on macOS.
    EINVAL: [
      exitStatus.badConfiguration,
      `The path of ${place} is too long for a socket. Choose one below 100 bytes in SOCKET_PATH.`,
    ],
  };
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
