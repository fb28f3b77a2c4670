/** Which addresses of the internet a webhook may connect to: everything that is not ours, local, or of no use. */
import { BlockList, isIP } from 'node:net';

/** IANA's special-purpose addresses, and two doors of cloud machines that lie in public ranges. */
const forbidden4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  // Link-local, and the metadata service of most clouds.
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  // Azure's platform address.
  '168.63.129.16/32',
  '224.0.0.0/4',
  '240.0.0.0/4',
] as const;

/** Of IPv6 only these are looked at further: the global addresses, and NAT64, which leads to an IPv4 address. */
const reachable6 = ['2000::/3', '64:ff9b::/96'] as const;

/** Protocol assignments with Teredo, documentation, 6to4, documentation again. Tunnels hide where they lead. */
const forbidden6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'] as const;

function listOf(family: 'ipv4' | 'ipv6', ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [network = '', bits] = range.split('/');
    list.addSubnet(network, Number(bits), family);
  }
  return list;
}

const blocked4 = listOf('ipv4', forbidden4);
const open6 = listOf('ipv6', reachable6);
const blocked6 = listOf('ipv6', [
  ...forbidden6,
  ...forbidden4.map((range) => {
    const [network = '', bits] = range.split('/');
    return `64:ff9b::${network}/${96 + Number(bits)}`;
  }),
]);

/** True for an address that a webhook must not reach, and for what is no address. IPv4 mapped into IPv6 is none. */
export function isForbiddenAddress(given: string): boolean {
  const [address = ''] = given.split('%');
  const family = isIP(address);
  if (family === 4) return blocked4.check(address, 'ipv4');
  if (family === 6) return !open6.check(address, 'ipv6') || blocked6.check(address, 'ipv6');
  return true;
}
