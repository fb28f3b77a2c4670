import {
  BatchResults,
  EventBatch,
  EventCreation,
  EventDetails,
  EventParams,
  mostInBatch,
  Replayed,
  ReplayFilter,
  StoredEvent,
} from '@irontrack/contract/events.ts';
import { Type } from '@sinclair/typebox';
import type { App } from '../http/app.ts';
import { type AuthenticateKey, readOrganization, setAllowance } from '../http/key-guard.ts';
import type { ReportFailure } from '../telemetry/failure-log.ts';
import { type EventLimits, postBatch } from './event-batch.ts';
import { readBatch } from './event-input.ts';
import type { Events } from './events.ts';
import { createPostShortcut, postEvent } from './post-event.ts';

interface Needs {
  events: Events;
  authenticateKey: AuthenticateKey;
  report: ReportFailure;
  limits: EventLimits;
  /** 201, or 202 for clients that count nothing else as success. */
  storedStatus: 201 | 202;
}

const config = { access: 'key' } as const;
const tags = ['Events'];
const json = 'application/json; charset=utf-8';

/** A payload of full size, and room for the members beside it with every character escaped. */
const eventLimit = 262_144 + 16 * 1024;
const batchLimit = 8 * 1024 * 1024;

/** Answers that are composed as text. */
const StoredText = Type.Unsafe<string>(StoredEvent);
const DetailsText = Type.Unsafe<string>(EventDetails);

export function mountEvents(app: App, needs: Needs): void {
  const { events, limits, storedStatus } = needs;
  const validate = app.validatorCompiler;
  /** Bodies of these routes are read from their bytes; their schemas are there for the documentation. */
  const validatorCompiler: typeof validate = (route) =>
    route.httpPart === 'body' || validate === undefined ? () => true : validate(route);
  const take = createPostShortcut({ ...needs, route: '/api/events' });

  app.register(async (raw: App) => {
    raw.removeContentTypeParser('application/json');
    raw.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
      done(null, body),
    );

    raw.post(
      '/api/events',
      {
        config: { ...config, postShortcut: { take, bodyLimit: eventLimit } },
        bodyLimit: eventLimit,
        validatorCompiler,
        schema: {
          tags,
          summary: 'Post an event; the answer comes after it is stored',
          problems: ['event-repeated', 'payload-too-large', 'event-limit-reached', 'ingest-queue-full'],
          body: EventCreation,
          response: { [storedStatus]: StoredText },
        },
      },
      async (request, reply) => {
        const { promise, resolve, reject } = Promise.withResolvers<string>();
        postEvent(needs, readOrganization(request), request.body, request.headers['idempotency-key'], {
          allow: (allowance) => setAllowance(reply.raw, allowance),
          stored: resolve,
          failed: reject,
        });
        const text = await promise;
        return reply.code(storedStatus).header('content-type', json).send(text);
      },
    );

    raw.post(
      '/api/events/batch',
      {
        config: { ...config, cost: 'costly' },
        bodyLimit: batchLimit,
        validatorCompiler,
        schema: {
          tags,
          summary: 'Post up to 100 events; each has a result of its own',
          body: EventBatch,
          response: { 200: BatchResults },
        },
      },
      async (request, reply) => {
        const organization = readOrganization(request);
        const texts = readBatch(request.body, mostInBatch);
        const { results, allowance } = await postBatch({ events, limits, storedStatus }, organization, texts);
        setAllowance(reply.raw, allowance);
        return { results };
      },
    );
  });

  app.get(
    '/api/events/:id',
    {
      config,
      schema: {
        tags,
        summary: 'Read an event with every delivery that was tried',
        problems: ['event-not-found'],
        params: EventParams,
        response: { 200: DetailsText },
      },
    },
    async (request, reply) => {
      reply.header('content-type', json);
      return await events.read(readOrganization(request).id, request.params.id, request.id);
    },
  );

  app.post(
    '/api/events/:id/replay',
    {
      config,
      schema: {
        tags,
        summary: 'Make an event pending again and deliver it anew',
        problems: ['event-not-found'],
        params: EventParams,
        response: { 202: Replayed },
      },
    },
    async (request, reply) => {
      const replayed = await events.replay(readOrganization(request).id, request.params.id, request.id);
      return reply.code(202).send(replayed);
    },
  );

  app.post(
    '/api/events/replay',
    {
      config: { ...config, cost: 'costly' },
      schema: {
        tags,
        summary: 'Replay every event that a filter names; without one, all',
        body: ReplayFilter,
        response: { 202: Replayed },
      },
    },
    async (request, reply) => {
      const replayed = await events.replayMany(readOrganization(request).id, request.body, request.id);
      return reply.code(202).send(replayed);
    },
  );
}
