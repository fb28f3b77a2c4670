import { lookup, Resolver } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { isForbiddenAddress } from './private-addresses.ts';

/** Every address of a host name; none when nobody says in time. */
export type ResolveHost = (name: string) => Promise<readonly string[]>;

/**
 * Asks the name servers directly. The system's own getaddrinfo waits on Node's thread pool, where a name server that
 * never answers would keep everybody's deliveries, and the password hashes, waiting with it.
 *
 * @param useHostsFile also asks the system when the name servers know nothing: for names of this machine or network
 */
export function createHostResolver(useHostsFile: boolean): ResolveHost {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  return async (name) => {
    const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    if (addresses.length > 0) return addresses;
    return useHostsFile ? (await lookup(name, { all: true })).map(({ address }) => address) : [];
  };
}

/** An address a webhook may not connect to. */
export class ForbiddenAddressError extends Error {
  override readonly name = 'ForbiddenAddressError';
}

export class UnknownHostError extends Error {
  override readonly name = 'UnknownHostError';
}

/** A look-up for sockets that hands on only addresses that may be reached, so that the socket tries no other. */
export function guardLookup(resolve: ResolveHost, allowPrivate: boolean): LookupFunction {
  return (name, options, callback) => {
    const fail = (error: Error) => callback(error, '', 4);
    const report = (addresses: readonly string[]) => {
      const found = addresses
        .filter((address) => allowPrivate || !isForbiddenAddress(address))
        .map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
      const [first] = found;
      if (addresses.length === 0) fail(new UnknownHostError('No address.'));
      else if (first === undefined) fail(new ForbiddenAddressError('Only private addresses.'));
      else if (options.all === true) callback(null, found);
      else callback(null, first.address, first.family);
    };
    resolve(name).then(report, () => fail(new UnknownHostError('Not found.')));
  };
}
