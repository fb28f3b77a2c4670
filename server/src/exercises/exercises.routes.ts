import {
  Exercise,
  ExerciseCriteria,
  ExercisePage,
  ExerciseQuery,
  OwnExerciseChange,
  OwnExerciseCreation,
  SystemExerciseChange,
  SystemExerciseCreation,
} from '@irontrack/contract/exercises.ts';
import { NoContent } from '@irontrack/contract/fields.ts';
import { IdParams } from '@irontrack/contract/users.ts';
import { Type } from '@sinclair/typebox';
import type { App } from '../http/app.ts';
import { readCaller } from '../http/guard.ts';
import { readSource } from '../http/request-source.ts';
import { matchesEtag } from './etag.ts';
import type { ExerciseList } from './exercise-list.ts';
import type { Exercises } from './exercises.ts';
import { readListQuery } from './list-query.ts';
import type { ListShortcut } from './list-shortcut.ts';
import { pageCacheControl } from './page-cache.ts';

const config = { access: 'user' } as const;
const superuser = { access: 'superuser' } as const;
const tags = ['Exercises'];
const path = '/api/v1/exercises';

/** A page leaves as bytes that were made once. */
const PageBytes = Type.Unsafe<Buffer>(ExercisePage);

interface Needs {
  exercises: Exercises;
  exerciseList: ExerciseList;
  shortcut: ListShortcut;
}

export function mountExercises(app: App, { exercises, exerciseList, shortcut }: Needs): void {
  app.get(
    path,
    {
      config: { ...config, cost: 'costly', shortcut: shortcut.answer, shortcutTakesQuery: true },
      schema: {
        tags,
        summary: 'List exercises: those of the system and own ones',
        querystring: ExerciseQuery,
        response: { 200: PageBytes, 304: NoContent },
      },
    },
    async (request, reply) => {
      const query = readListQuery(request.query);
      shortcut.learn(request.raw.url, query);
      const { body, etag } = await exerciseList.read(readCaller(request).user.id, query, request.id);
      reply.header('etag', etag).header('cache-control', pageCacheControl);
      if (matchesEtag(request.headers['if-none-match'], etag)) return reply.code(304).send(null);
      return reply.header('content-type', 'application/json; charset=utf-8').send(body);
    },
  );

  app.get(
    `${path}/criteria`,
    {
      config,
      schema: {
        tags,
        summary: 'Find an own exercise by its name or a system exercise by its slug',
        problems: ['criteria-unclear', 'exercise-not-found'],
        querystring: ExerciseCriteria,
        response: { 200: Exercise },
      },
    },
    (request) => exercises.find(readCaller(request), request.query, readSource(request)),
  );

  app.get(
    `${path}/:id`,
    {
      config,
      schema: {
        tags,
        summary: 'Read an exercise: an own one, one of the system, or as fitness trainer any',
        problems: ['not-permitted', 'exercise-not-found'],
        params: IdParams,
        response: { 200: Exercise },
      },
    },
    (request) => exercises.read(readCaller(request), request.params.id.toLowerCase(), readSource(request)),
  );

  app.post(
    `${path}/user`,
    {
      config,
      schema: {
        tags,
        summary: "Create an exercise of one's own",
        problems: ['exercise-references-not-found', 'exercise-name-taken'],
        body: OwnExerciseCreation,
        response: { 201: Exercise },
      },
    },
    async (request, reply) =>
      reply.code(201).send(await exercises.createOwn(readCaller(request), request.body, readSource(request))),
  );

  app.post(
    `${path}/system`,
    {
      config: superuser,
      schema: {
        tags,
        summary: 'Create a system exercise',
        problems: ['exercise-references-not-found', 'exercise-name-taken', 'exercise-slug-taken'],
        body: SystemExerciseCreation,
        response: { 201: Exercise },
      },
    },
    async (request, reply) =>
      reply
        .code(201)
        .send(await exercises.createSystem(readCaller(request), request.body, readSource(request))),
  );

  app.patch(
    `${path}/user/:id`,
    {
      config,
      schema: {
        tags,
        summary: "Change an exercise of one's own",
        problems: ['exercise-not-found', 'exercise-references-not-found', 'exercise-name-taken'],
        params: IdParams,
        body: OwnExerciseChange,
        response: { 200: Exercise },
      },
    },
    (request) => {
      const id = request.params.id.toLowerCase();
      return exercises.changeOwn(readCaller(request), id, request.body, readSource(request));
    },
  );

  app.patch(
    `${path}/system/:id`,
    {
      config: superuser,
      schema: {
        tags,
        summary: 'Change a system exercise; its slug follows its name',
        problems: [
          'exercise-not-found',
          'exercise-references-not-found',
          'exercise-name-taken',
          'exercise-slug-taken',
        ],
        params: IdParams,
        body: SystemExerciseChange,
        response: { 200: Exercise },
      },
    },
    (request) => {
      const id = request.params.id.toLowerCase();
      return exercises.changeSystem(readCaller(request), id, request.body, readSource(request));
    },
  );

  app.delete(
    `${path}/:id`,
    {
      config,
      schema: {
        tags,
        summary: 'Delete an exercise: an own one, or as superuser one of the system',
        problems: ['not-permitted', 'exercise-not-found'],
        params: IdParams,
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      await exercises.remove(readCaller(request), request.params.id.toLowerCase(), readSource(request));
      return reply.code(204).send(null);
    },
  );
}
