/** The plain service of the experiment: sign-up, sign-in, me, a list and a ping, done as its switches say. */
import { randomUUID } from 'node:crypto';
import { type Static, Type } from '@sinclair/typebox';
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import postgres from 'postgres';
import { listLength, makeExercises } from './exercises.ts';
import { createPasswords } from './passwords.ts';
import { ListAnswer, ProfileAnswer, writeTwice } from './serialise.ts';
import type { Switches } from './steps.ts';
import { createTokens, type Tokens } from './tokens.ts';
import { createUserSource } from './user-source.ts';
import { createTables, insertUser, type Profile } from './users.sql.ts';

export interface ServiceOptions {
  switches: Switches;
  /** postgres://user@host/name, or with ?host=/folder/of/socket. */
  databaseUrl: string;
  /** Milliseconds since 1970. */
  now: () => number;
}

/** As our own server takes them, with fewer rules. */
const SignIn = Type.Object({
  email: Type.String({ pattern: '^[^@\\s]+@[^@\\s]+$', maxLength: 254 }),
  password: Type.String({ minLength: 8, maxLength: 1024 }),
});
const SignUp = Type.Object({
  ...SignIn.properties,
  confirmPassword: Type.String(),
  name: Type.Optional(Type.String({ maxLength: 100 })),
});

/** What a small service takes without being told. */
const poolSize = 10;

/** Makes its tables when they are missing. @throws whatever PostgreSQL says when it cannot be reached */
export async function buildService({ switches, databaseUrl, now }: ServiceOptions) {
  const sql = connect(databaseUrl, switches.statements === 'pipelined' ? 1 : poolSize);
  await createTables(sql);
  const app = fastify({ logger: switches.log, forceCloseConnections: true });
  app.addHook('onClose', () => sql.end({ timeout: 1 }));

  const passwords = createPasswords(switches);
  const tokens = createTokens(switches, now);
  const users = createUserSource(sql, switches);
  const isCompiled = switches.serialisation === 'compiled';
  if (!isCompiled) app.setReplySerializer((payload) => writeTwice(payload));
  const answers = (status: number, schema: object) => (isCompiled ? { response: { [status]: schema } } : {});

  app.post<{ Body: Static<typeof SignUp> }>(
    '/api/v1/access/signup',
    { schema: { body: SignUp, ...answers(201, ProfileAnswer) } },
    async ({ body }, reply) => {
      if (body.password !== body.confirmPassword) return refuse(reply, 422, 'The passwords differ.');
      const profile: Profile = {
        id: randomUUID(),
        name: body.name ?? null,
        email: body.email.toLowerCase(),
        isActive: true,
        isSuperuser: false,
        roleSlug: 'user',
      };
      const passwordHash = await passwords.hash(body.password);
      if (!(await insertUser(sql, { ...profile, passwordHash }))) {
        return refuse(reply, 409, 'There is an account with this e-mail.');
      }
      return reply.code(201).send(await users.readNew(profile));
    },
  );

  app.post<{ Body: Static<typeof SignIn> }>(
    '/api/v1/access/signin',
    { schema: { body: SignIn } },
    async ({ body }, reply) => {
      const user = await users.findCredentials(body.email.toLowerCase());
      const matches = user?.isActive === true && (await passwords.verify(user.passwordHash, body.password));
      if (user === undefined || !matches) return refuse(reply, 401, 'E-mail or password is wrong.');
      const cookie = (name: string, token: string) => `${name}=${token}; Path=/; HttpOnly; SameSite=Lax`;
      return reply
        .header('set-cookie', [
          cookie('access_token', tokens.issue(user.id, 'access')),
          cookie('refresh_token', tokens.issue(user.id, 'refresh')),
        ])
        .code(204)
        .send();
    },
  );

  app.get('/api/v1/access/me', { schema: answers(200, ProfileAnswer) }, async (request, reply) => {
    const userId = readUserId(request, tokens);
    const profile = userId === undefined ? undefined : await users.findProfile(userId);
    return profile?.isActive === true ? profile : refuse(reply, 401, 'Sign in first.');
  });

  // As in the study: no database and nobody to sign in, so that what is measured is the writing of JSON.
  const exercises = makeExercises();
  app.get('/api/v1/exercises', { schema: answers(200, ListAnswer) }, async () => {
    return { items: exercises, limit: listLength, offset: 0, total: exercises.length };
  });

  app.get('/ping', (_request, reply) => {
    reply.type('text/plain; charset=utf-8').serializer(String).send('OK');
  });
  return app;
}

/** Columns in snake_case, fields in camelCase. A folder of a Unix socket comes as libpq has it: ?host=/run/postgresql. */
export function connect(databaseUrl: string, max: number): postgres.Sql {
  const url = new URL(databaseUrl);
  const folder = url.searchParams.get('host');
  url.searchParams.delete('host');
  return postgres(url.href, {
    max,
    transform: postgres.camel,
    onnotice: () => undefined,
    connect_timeout: 10,
    ...(folder === null ? {} : { host: folder }),
  });
}

function refuse(reply: FastifyReply, status: number, message: string): FastifyReply {
  return reply.code(status).send({ message });
}

function readUserId({ headers }: FastifyRequest, tokens: Tokens): string | undefined {
  const [, token = ''] = /(?:^|;\s*)access_token=([^;]+)/.exec(headers.cookie ?? '') ?? [];
  return tokens.read(token)?.sub;
}
