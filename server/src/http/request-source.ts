import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';

/** Where a request came from, as the audit trail and the list of sessions show it. */
export interface RequestSource {
  requestId: string;
  ipAddress: string | null;
  userAgent: string | null;
}

const longestUserAgent = 255;

/** Headers are bytes to Node, so a NUL cannot occur; anything else is kept as it was sent, cut to a sane length. */
export function readSource(request: FastifyRequest): RequestSource {
  const userAgent = request.headers['user-agent'];
  return {
    requestId: request.id,
    ipAddress: readAddress(request.ip),
    userAgent: userAgent === undefined ? null : userAgent.slice(0, longestUserAgent),
  };
}

/**
 * The one spelling of an address, so that limits count and the audit trail shows the same client under one name. Some
 * proxies add a port in X-Forwarded-For; IPv4 may come mapped into IPv6 in either notation.
 *
 * @returns null for what is no address, and on a Unix domain socket without a trusted proxy in front
 */
export function readAddress(given: string | undefined): string | null {
  if (given === undefined || given === '') return null;
  const [, bare = given] =
    /^(\d{1,3}(?:\.\d{1,3}){3}):\d+$/.exec(given) ?? /^\[(.*)\](?::\d+)?$/.exec(given) ?? [];
  const family = isIP(bare);
  if (family === 0) return null;
  if (family === 4) return bare;
  const mapped = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(
    new URL(`http://[${bare.split('%')[0]}]`).hostname,
  );
  if (mapped === null) return bare.toLowerCase();
  const [high = 0, low = 0] = mapped.slice(1).map((group) => Number.parseInt(group, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** An IPv6 subscriber holds at least a /64 and can take any address in it; IPv4 counts by the address. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const start = head === '' ? [] : head.split(':');
  const end = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups =
    tail === undefined
      ? start
      : [...start, ...Array(Math.max(0, 8 - start.length - end.length)).fill('0'), ...end];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
