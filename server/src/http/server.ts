/** Builds the empty application: what is true of every route before there is one. */

import { NoQuery } from '@irontrack/contract/fields.ts';
import buildSerializer from 'fast-json-stringify';
import Fastify, { type FastifyServerOptions, type RouteOptions } from 'fastify';
import { Problem } from '../problem.ts';
import type { ReportFailure } from '../telemetry/failure-log.ts';
import type { App } from './app.ts';
import { createErrorHandler, sendProblem } from './errors.ts';
import { withoutOrigin } from './event-api.ts';
import { parseJsonBody } from './json-body.ts';
import type { LazyCompiler } from './lazy-compiler.ts';
import type { Observer } from './observe.ts';
import { requireSchemas } from './response-schemas.ts';
import { createRouteTable } from './route-table.ts';
import { createTrustCheck } from './trusted-proxies.ts';
import { createValidatorCompiler, refuseBodyFields } from './validation.ts';

/** Accounts need little; a route that needs more says so. */
const bodyLimit = 64 * 1024;

interface ServerSettings {
  observer: Observer;
  trustedProxies: readonly string[];
  compiler: LazyCompiler;
  report: ReportFailure;
  /** Without them as many as there are. */
  maxConnections?: number;
  onConnectionDropped?: () => void;
}

export function createServer(settings: ServerSettings): App {
  const { observer, trustedProxies, compiler, report, maxConnections, onConnectionDropped } = settings;
  const options: FastifyServerOptions = {
    serverFactory: (handler, serverOptions) =>
      observer.createServer(handler, { ...serverOptions, ...httpLimits }),
    clientErrorHandler: observer.clientErrorHandler,
    genReqId: observer.genReqId,
    // The access line is the observer's. Fastify's own logger would cost a child logger a request.
    logger: false,
    requestIdHeader: false,
    bodyLimit,
    trustProxy: createTrustCheck(trustedProxies),
    // An e-mail in a path, percent-encoded in the worst case.
    routerOptions: { maxParamLength: 1024, ignoreTrailingSlash: true },
    // While draining, open connections are still served; the listener alone is closed.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    requestTimeout: httpLimits.requestTimeout,
    keepAliveTimeout: httpLimits.keepAliveTimeout,
    frameworkErrors: (error, request, reply) => errorHandler(error, request, reply),
  };
  const errorHandler = createErrorHandler(report);
  const app: App = Fastify(options);
  if (maxConnections !== undefined) app.server.maxConnections = maxConnections;
  // One of several workers would else hand it back to the supervisor, for the next; when all are full that goes on for ever.
  // Node 23.1 and later; its types do not know it yet.
  Reflect.set(app.server, 'dropMaxConnection', true);
  if (onConnectionDropped !== undefined) app.server.on('drop', onConnectionDropped);
  const routes = createRouteTable();
  observer.mount(app);
  app.setValidatorCompiler(createValidatorCompiler(compiler));
  app.setSerializerCompiler(({ schema }) => compiler.defer(() => buildSerializer(schema)));
  app.setErrorHandler(errorHandler);
  app.setNotFoundHandler((request, reply) => {
    const allowed = routes.methodsAt(pathOf(request.url));
    const problem =
      allowed.length === 0
        ? new Problem('route-not-found')
        : new Problem('method-not-allowed', undefined, { headers: { allow: allowed.join(', ') } });
    return sendProblem(reply, problem);
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseJsonBody(Buffer.isBuffer(body) ? body : Buffer.from(body)));
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  });
  app.addHook('onRoute', (route) => {
    // The CORS plugin's own: it is never reached, as the plugin's hook answers preflights before.
    if (route.method === 'OPTIONS' && route.url === '*') return;
    routes.add(route);
    requireSchemas(route);
    // Unknown query parameters are refused everywhere, also where none is known.
    if (route.schema !== undefined) route.schema.querystring ??= NoQuery;
    if (route.schema?.body === undefined && takesBody(route)) {
      route.preValidation = [refuseBodyFields, ...[route.preValidation ?? []].flat()];
    }
  });
  return app;
}

function takesBody({ method }: RouteOptions): boolean {
  return [method].flat().some((name) => name !== 'GET' && name !== 'HEAD');
}

/** Milliseconds and bytes; a client that is slower or larger than this is not waited for. */
const httpLimits = {
  requestTimeout: 30_000,
  headersTimeout: 15_000,
  // Longer than the idle time of common proxies (60 s), so that it is the proxy that closes an idle connection.
  keepAliveTimeout: 72_000,
  maxHeaderSize: 16 * 1024,
  connectionsCheckingInterval: 5_000,
} as const;

/** By hand, since URL throws on what is no URL: a path of `//` is none, and it is not found all the same. */
function pathOf(url: string): string {
  const path = withoutOrigin(url);
  return path.split('?', 1)[0] ?? path;
}
