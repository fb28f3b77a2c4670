import {
  AcknowledgeMany,
  Acknowledgement,
  Acknowledgements,
  EventParams,
  InboxPage,
  InboxQuery,
  LeasedEvents,
  LeaseRequest,
} from '@irontrack/contract/events.ts';
import { Type } from '@sinclair/typebox';
import type { App } from '../http/app.ts';
import { readOrganization } from '../http/key-guard.ts';
import type { Events } from './events.ts';

const config = { access: 'key' } as const;
const tags = ['Inbox'];
const json = 'application/json; charset=utf-8';

/** Answers that are composed as text. */
const PageText = Type.Unsafe<string>(InboxPage);
const LeasedText = Type.Unsafe<string>(LeasedEvents);

export function mountInbox(app: App, { events }: { events: Events }): void {
  app.get(
    '/api/inbox',
    {
      config: { ...config, cost: 'costly' },
      schema: {
        tags,
        summary: 'List events, newest first, by cursor or by offset',
        querystring: InboxQuery,
        response: { 200: PageText },
      },
    },
    async (request, reply) => {
      reply.header('content-type', json);
      return await events.readInbox(readOrganization(request).id, request.query, request.id);
    },
  );

  app.post(
    '/api/inbox/lease',
    {
      config,
      schema: {
        tags,
        summary: 'Take the oldest unacknowledged events, hidden from other leases for a while',
        body: LeaseRequest,
        response: { 200: LeasedText },
      },
    },
    async (request, reply) => {
      const { limit = 100, lease_seconds: seconds = 60 } = request.body;
      reply.header('content-type', json);
      return await events.lease(readOrganization(request).id, limit, seconds, request.id);
    },
  );

  for (const path of ['/api/ack/:id', '/api/inbox/ack/:id']) {
    app.post(
      path,
      {
        config,
        schema: {
          tags,
          summary: 'Acknowledge an event; a second time changes nothing',
          problems: ['event-not-found'],
          params: EventParams,
          response: { 200: Acknowledgement },
        },
      },
      (request) => events.acknowledge(readOrganization(request).id, request.params.id, request.id),
    );
  }

  app.post(
    '/api/inbox/ack',
    {
      config,
      schema: {
        tags,
        summary: 'Acknowledge up to 100 events',
        body: AcknowledgeMany,
        response: { 200: Acknowledgements },
      },
    },
    (request) => events.acknowledgeMany(readOrganization(request).id, request.body.event_ids, request.id),
  );
}
