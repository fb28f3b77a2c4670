/** What keeps a field that the contract does not name (a password hash, say) from leaving. */
import type { preSerializationHookHandler, RouteOptions } from 'fastify';

/**
 * Throws unless the route declares a schema for a 2xx answer, and makes it fail when it answers an object with a
 * status that has none: Fastify would send such an object as it is, with whatever it holds.
 */
export function requireSchemas(route: RouteOptions): void {
  const { method, url, schema } = route;
  const response: unknown = schema?.response;
  const statuses = new Set(typeof response === 'object' && response !== null ? Object.keys(response) : []);
  if (![...statuses].some((status) => /^2\d\d$/.test(status))) {
    throw new Error(`The route ${String(method)} ${url} has no schema for a 2xx answer (schema.response).`);
  }
  const refuseUndeclared: preSerializationHookHandler<unknown> = (_request, reply, payload, done) => {
    if (statuses.has(String(reply.statusCode))) done(null, payload);
    else done(new Error(`${url} answered ${reply.statusCode}, for which it has no schema.`));
  };
  route.preSerialization = [refuseUndeclared, ...[route.preSerialization ?? []].flat()];
}
