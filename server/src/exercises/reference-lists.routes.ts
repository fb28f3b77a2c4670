import {
  CatalogItem,
  CatalogItemInput,
  CatalogItemParams,
  CatalogItems,
  CatalogQuery,
} from '@irontrack/contract/exercises.ts';
import { NoContent } from '@irontrack/contract/fields.ts';
import type { App } from '../http/app.ts';
import { readCaller } from '../http/guard.ts';
import { readSource } from '../http/request-source.ts';
import type { ReferenceList } from './reference-lists.ts';

const readers = { access: 'user' } as const;
const writers = { access: 'superuser' } as const;

const words = {
  'muscle-groups': { tags: ['Muscle groups'], one: 'a muscle group', all: 'muscle groups' },
  equipment: { tags: ['Equipment'], one: 'a piece of equipment', all: 'equipment' },
  'exercise-tags': { tags: ['Exercise tags'], one: 'an exercise tag', all: 'exercise tags' },
} as const;

export function mountReferenceList(app: App, list: ReferenceList): void {
  const path = `/api/v1/catalogs/${list.slug}`;
  const { tags, one, all } = words[list.slug];

  app.get(
    path,
    {
      config: readers,
      schema: { tags, summary: `List ${all}`, querystring: CatalogQuery, response: { 200: CatalogItems } },
    },
    (request) => list.list(request.query, readSource(request)),
  );

  app.get(
    `${path}/:id`,
    {
      config: readers,
      schema: {
        tags,
        summary: `Read ${one}`,
        problems: ['catalog-item-not-found'],
        params: CatalogItemParams,
        response: { 200: CatalogItem },
      },
    },
    (request) => list.read(request.params.id, readSource(request)),
  );

  app.post(
    path,
    {
      config: writers,
      schema: {
        tags,
        summary: `Add ${one}`,
        problems: ['catalog-name-taken'],
        body: CatalogItemInput,
        response: { 201: CatalogItem },
      },
    },
    async (request, reply) =>
      reply.code(201).send(await list.create(readCaller(request), request.body.name, readSource(request))),
  );

  app.patch(
    `${path}/:id`,
    {
      config: writers,
      schema: {
        tags,
        summary: `Rename ${one}`,
        problems: ['catalog-item-not-found', 'catalog-name-taken'],
        params: CatalogItemParams,
        body: CatalogItemInput,
        response: { 200: CatalogItem },
      },
    },
    (request) => list.rename(readCaller(request), request.params.id, request.body.name, readSource(request)),
  );

  app.delete(
    `${path}/:id`,
    {
      config: writers,
      schema: {
        tags,
        summary: `Delete ${one}; exercises go on without it`,
        problems: ['catalog-item-not-found'],
        params: CatalogItemParams,
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      await list.remove(readCaller(request), request.params.id, readSource(request));
      return reply.code(204).send(null);
    },
  );
}
