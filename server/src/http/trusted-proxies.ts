/** Which peers may say whom they speak for in X-Forwarded-For. */
import { BlockList, isIP } from 'node:net';

/**
 * The header is walked from the right, as long as each address is one of these; the first that is not is the client.
 *
 * @param trusted addresses, CIDR ranges, and `unix` for a peer on a Unix domain socket
 * @returns Fastify's `trustProxy`; false when nobody is trusted, so that the header is not even read
 */
export function createTrustCheck(trusted: readonly string[]): false | ((address: string) => boolean) {
  if (trusted.length === 0) return false;
  const ranges = new BlockList();
  for (const entry of trusted) {
    const [address = '', bits] = entry.split('/');
    const family = isIP(address);
    if (family === 0) continue;
    const type = family === 4 ? 'ipv4' : 'ipv6';
    ranges.addSubnet(address, bits === undefined ? (family === 4 ? 32 : 128) : Number(bits), type);
  }
  const trustsUnix = trusted.includes('unix');
  return (address: string | undefined) => {
    // A Unix domain socket has no address.
    if (address === undefined || address === '') return trustsUnix;
    const plain =
      address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address;
    const family = isIP(plain);
    return family !== 0 && ranges.check(plain, family === 4 ? 'ipv4' : 'ipv6');
  };
}
