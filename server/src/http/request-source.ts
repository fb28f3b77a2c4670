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
    // Undefined on a Unix domain socket without a trusted proxy in front.
    ipAddress: request.ip || null,
    userAgent: userAgent === undefined ? null : userAgent.slice(0, longestUserAgent),
  };
}
