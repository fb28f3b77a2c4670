import { NoContent } from '@irontrack/contract/fields.ts';
import { Entrance, Health, Liveness, Readiness } from '@irontrack/contract/system.ts';
import { Type } from '@sinclair/typebox';
import type { App } from '../http/app.ts';
import type { OpenApi } from '../http/openapi.ts';
import { Problem } from '../problem.ts';
import type { System } from './system.ts';

interface Needs {
  system: System;
  openApi: OpenApi;
  /** The Prometheus text and its media type. */
  metrics: { contentType: string; metrics(): Promise<string> };
}

/** A probe that is refused under load would have the process restarted, or taken out when it is needed most. */
const config = { access: 'public', cost: 'exempt' } as const;
const tags = ['System'];
const plainText = 'text/plain; charset=utf-8';

export function mountSystem(app: App, { system, openApi, metrics }: Needs): void {
  app.get(
    '/',
    {
      config: { ...config, cost: 'cheap' },
      schema: {
        tags,
        summary: 'What this is and where to go on; browsers are sent to the documentation page',
        response: { 200: Entrance, 302: NoContent },
      },
    },
    (request, reply) => {
      const { name, version } = system;
      if (acceptsHtml(request.headers.accept)) reply.redirect('/docs');
      else reply.send({ name, version, docs: '/docs', openapi: '/api/v1/openapi.json', ping: '/ping' });
    },
  );

  const pong = { contentType: plainText, body: 'OK' };
  app.get(
    '/ping',
    {
      config: { ...config, shortcut: () => pong },
      schema: {
        tags,
        summary: 'Is the process alive?',
        produces: 'text/plain',
        response: { 200: Type.Literal('OK') },
      },
    },
    (_request, reply) => {
      reply.type(plainText).send('OK');
    },
  );

  app.get(
    '/health',
    {
      config,
      schema: {
        tags,
        summary: 'Do the database and the cache answer?',
        response: { 200: Health, 503: Health },
      },
    },
    async (_request, reply) => {
      const { status, body } = await system.health();
      if (status === 503) reply.header('retry-after', '1');
      return reply.code(status).send(body);
    },
  );

  app.get(
    '/ready',
    {
      config,
      schema: { tags, summary: 'Can it serve now?', problems: ['not-ready'], response: { 200: Readiness } },
    },
    (_request, reply) => {
      if (!system.isReady()) throw notReady();
      reply.send({ status: 'ready', cache: system.cacheState() });
    },
  );

  for (const path of ['/health/live', '/api/health']) {
    app.get(
      path,
      { config, schema: { tags, summary: 'Is the process alive?', response: { 200: Liveness } } },
      (_request, reply) => {
        reply.send({ status: 'ok' });
      },
    );
  }

  app.get(
    '/health/ready',
    {
      config,
      schema: {
        tags,
        summary: 'Can it serve now, and does the database answer?',
        problems: ['not-ready'],
        response: { 200: Liveness },
      },
    },
    async (_request, reply) => {
      if (!(await system.canServe())) throw notReady();
      return reply.send({ status: 'ok' });
    },
  );

  app.get(
    '/metrics',
    {
      config,
      schema: {
        tags,
        summary: 'Prometheus metrics',
        produces: 'text/plain',
        problems: ['overloaded'],
        response: { 200: Type.String() },
      },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()),
  );

  app.get(
    '/api/v1/openapi.json',
    {
      config: { ...config, cost: 'cheap' },
      schema: { tags, summary: 'This document', response: { 200: Type.Unknown() } },
    },
    (_request, reply) => {
      reply.type('application/json; charset=utf-8').send(openApiText());
    },
  );

  let text: string | undefined;
  function openApiText(): string {
    text ??= JSON.stringify(openApi.document());
    return text;
  }
}

/** Browsers name it where a person asks; programs name JSON, or take anything. */
function acceptsHtml(accept = ''): boolean {
  return /\btext\/html\b/i.test(accept);
}

function notReady(): Problem {
  return new Problem('not-ready', undefined, { headers: { 'retry-after': '1' } });
}
