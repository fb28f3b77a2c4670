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
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { App } from '../http/app.ts';
import { readOrganization, setAllowance } from '../http/key-guard.ts';
import { type EventLimits, postBatch } from './event-batch.ts';
import { readBatch, readEvent } from './event-input.ts';
import { writeStored } from './event-json.ts';
import { type Events, outcomeProblem } from './events.ts';

interface Needs {
  events: Events;
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

export function mountEvents(app: App, { events, limits, storedStatus }: Needs): void {
  const validate = app.validatorCompiler;
  /** Bodies of these routes are read from their bytes; their schemas are there for the documentation. */
  const validatorCompiler: typeof validate = (route) =>
    route.httpPart === 'body' || validate === undefined ? () => true : validate(route);

  app.register(async (raw: App) => {
    raw.removeContentTypeParser('application/json');
    raw.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
      done(null, body),
    );

    raw.post(
      '/api/events',
      {
        config,
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
      postEvent,
    );

    raw.post(
      '/api/events/batch',
      {
        config,
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

  function postEvent(request: FastifyRequest, reply: FastifyReply): void {
    const organization = readOrganization(request);
    const key = request.raw.headers['idempotency-key'];
    const input = readEvent(request.body, typeof key === 'string' ? key : undefined);
    const taken = limits.take(organization);
    setAllowance(reply.raw, taken);
    if (!taken.isGranted) throw limits.refusal(taken);
    const refused = events.post(organization.id, input, (outcome, event) => {
      if (outcome.kind === 'stored') {
        reply.code(storedStatus).header('content-type', json);
        reply.send(writeStored(event, organization.id, input));
      } else {
        if (outcome.kind === 'failed') limits.giveBack(organization);
        reply.send(outcomeProblem(outcome));
      }
    });
    if (refused === undefined) return;
    limits.giveBack(organization);
    throw refused;
  }

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
      config,
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
