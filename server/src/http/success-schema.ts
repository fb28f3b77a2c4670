import type { RouteOptions } from 'fastify';

/**
 * Throws unless the route declares a schema for a 2xx answer. The serialiser made from it is what keeps a field that
 * the contract does not name (a password hash, say) from leaving.
 */
export function requireSuccessSchema({ method, url, schema }: RouteOptions): void {
  const response: unknown = schema?.response;
  const statuses = typeof response === 'object' && response !== null ? Object.keys(response) : [];
  if (!statuses.some((status) => /^2\d\d$/.test(status))) {
    throw new Error(`The route ${String(method)} ${url} has no schema for a 2xx answer (schema.response).`);
  }
}
