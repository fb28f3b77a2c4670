import { Replayed } from '@irontrack/contract/events.ts';
import { IdParams } from '@irontrack/contract/users.ts';
import {
  AttemptPage,
  AttemptQuery,
  DeliveryPage,
  DeliveryQuery,
  EventSummaryPage,
  EventSummaryQuery,
  ReplayOrder,
} from '@irontrack/contract/webhooks.ts';
import type { FastifyRequest } from 'fastify';
import type { Audit } from '../audit/audit.ts';
import type { Database } from '../database/database.ts';
import type { Events } from '../events/events.ts';
import type { App } from '../http/app.ts';
import { readCaller } from '../http/guard.ts';
import { readSource } from '../http/request-source.ts';
import type { Organizations } from '../organizations/organizations.ts';
import { replayForSuperuser, type Webhooks } from './webhooks.ts';

interface Needs {
  webhooks: Webhooks;
  organizations: Organizations;
  events: Events;
  audit: Audit;
  database: Database;
}

const config = { access: 'superuser' } as const;
const tags = ['Organizations'];
const problems = ['organization-not-found'] as const;
const params = IdParams;

export function mountWebhooks(app: App, { webhooks, organizations, ...replaying }: Needs): void {
  /** The organization of the path. @throws Problem `organization-not-found` */
  async function readId(request: FastifyRequest, given: string): Promise<string> {
    return (await organizations.read(given.toLowerCase(), readSource(request))).id;
  }

  app.get(
    '/api/v1/organizations/:id/events',
    {
      config: { ...config, cost: 'costly' },
      schema: {
        tags,
        summary: 'Events without their payloads, newest first',
        problems,
        params,
        querystring: EventSummaryQuery,
        response: { 200: EventSummaryPage },
      },
    },
    async (request) =>
      webhooks.listEvents(await readId(request, request.params.id), request.query, readSource(request)),
  );

  app.get(
    '/api/v1/organizations/:id/attempts',
    {
      config: { ...config, cost: 'costly' },
      schema: {
        tags,
        summary: 'Attempts to deliver, newest first',
        problems,
        params,
        querystring: AttemptQuery,
        response: { 200: AttemptPage },
      },
    },
    async (request) =>
      webhooks.listAttempts(await readId(request, request.params.id), request.query, readSource(request)),
  );

  app.get(
    '/api/v1/organizations/:id/deliveries',
    {
      config: { ...config, cost: 'costly' },
      schema: {
        tags,
        summary: 'Events that are still to be delivered, the next first',
        problems,
        params,
        querystring: DeliveryQuery,
        response: { 200: DeliveryPage },
      },
    },
    async (request) =>
      webhooks.listDeliveries(await readId(request, request.params.id), request.query, readSource(request)),
  );

  app.post(
    '/api/v1/organizations/:id/replay',
    {
      config: { ...config, cost: 'costly' },
      schema: {
        tags,
        summary: 'Make events pending again, and deliver them once more',
        problems: [...problems, 'event-not-found'],
        params,
        body: ReplayOrder,
        response: { 202: Replayed },
      },
    },
    async (request, reply) => {
      const id = await readId(request, request.params.id);
      const source = readSource(request);
      const replayed = await replayForSuperuser(replaying, readCaller(request), id, request.body, source);
      return reply.code(202).send({ replayed });
    },
  );
}
