/** Keeps load away from other people's servers: only this machine and private networks, unless somebody vouches. */
import { lookup as systemLookup } from 'node:dns/promises';
import { BlockList, connect, isIP } from 'node:net';
import { exitStatus, LabError } from '../exit-status.ts';

/** As `dns.lookup` with `all`. */
export type LookUp = (host: string) => Promise<readonly { address: string; family: number }[]>;

interface GuardOptions {
  /** `--i-own-this-target`: any address may be loaded. */
  iOwnThisTarget: boolean;
  /** A Unix socket is on this machine by nature; it is returned as the address. */
  socketPath?: string | undefined;
  lookup?: LookUp;
}

/** IPv4 rules also match the IPv4-mapped form, ::ffff:10.0.0.1; a NAT64 address (64:ff9b::/96) is the internet. */
const ownNetworks = new BlockList();
// Loopback (RFC 1122, RFC 4291) and "this host", which connects to loopback and is what servers print as their URL.
ownNetworks.addSubnet('127.0.0.0', 8, 'ipv4');
ownNetworks.addAddress('::1', 'ipv6');
ownNetworks.addAddress('0.0.0.0', 'ipv4');
ownNetworks.addAddress('::', 'ipv6');
// Private: RFC 1918 and RFC 4193.
ownNetworks.addSubnet('10.0.0.0', 8, 'ipv4');
ownNetworks.addSubnet('172.16.0.0', 12, 'ipv4');
ownNetworks.addSubnet('192.168.0.0', 16, 'ipv4');
ownNetworks.addSubnet('fc00::', 7, 'ipv6');
// Link-local: RFC 3927 and RFC 4291.
ownNetworks.addSubnet('169.254.0.0', 16, 'ipv4');
ownNetworks.addSubnet('fe80::', 10, 'ipv6');
// Shared by a carrier or an overlay network behind its NAT: RFC 6598.
ownNetworks.addSubnet('100.64.0.0', 10, 'ipv4');

/** Loopback, private, link-local or shared address, in either family. */
export function isOwnNetwork(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && ownNetworks.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/**
 * Resolves the host once and returns the address to connect to, so that a name that changes its mind later leads
 * nowhere else. Every address of the host must be allowed. Of several, the first that accepts a connection is
 * returned ("localhost" is often both 127.0.0.1 and ::1 while a server listens on one), else the first IPv4 one: ask
 * again when the server has been started.
 *
 * @throws LabError when the host cannot be resolved or is not on loopback or a private network
 */
export async function checkTargetAddress(url: URL, options: GuardOptions): Promise<string> {
  if (options.socketPath !== undefined) return options.socketPath;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const addresses = isIP(host) === 0 ? await resolve(host, options.lookup ?? lookUpAll) : [host];
  const foreign = addresses.find((address) => !isOwnNetwork(address));
  if (foreign !== undefined && !options.iOwnThisTarget) {
    const named = foreign === host ? host : `${host} (${foreign})`;
    throw new LabError(
      exitStatus.tool,
      `${named} is neither this machine nor a private network; add --i-own-this-target if it is yours to load.`,
    );
  }
  if (addresses.length > 1) {
    for (const address of addresses) if (await accepts(address, portOf(url))) return address;
  }
  return addresses.find((address) => isIP(address) === 4) ?? addresses[0] ?? host;
}

function lookUpAll(host: string): ReturnType<LookUp> {
  return systemLookup(host, { all: true });
}

async function resolve(host: string, lookup: LookUp): Promise<string[]> {
  let failure: unknown;
  try {
    const found = await lookup(host);
    if (found.length > 0) return [...new Set(found.map(({ address }) => address))];
  } catch (error) {
    failure = error;
  }
  const code = failure instanceof Error && 'code' in failure ? ` (${String(failure.code)})` : '';
  throw new LabError(
    exitStatus.tool,
    `The host ${host} cannot be found${code}; check its spelling and your name server.`,
    { cause: failure },
  );
}

function portOf(url: URL): number {
  return url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
}

/** A quarter of a second is far more than a handshake within one network takes. */
function accepts(address: string, port: number): Promise<boolean> {
  return new Promise((resolveWith) => {
    const socket = connect({ host: address, port, timeout: 250 });
    const end = (answer: boolean) => () => {
      socket.destroy();
      resolveWith(answer);
    };
    socket.once('connect', end(true)).once('error', end(false)).once('timeout', end(false));
  });
}
