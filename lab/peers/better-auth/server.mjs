/**
 * better-auth on node:http with PostgreSQL, as its guide sets it up: e-mail and password, sessions in the database and
 * the cookie cache that its performance guide recommends. PASSWORD_HASH=equal takes Argon2id instead of its scrypt.
 */
import { createServer } from 'node:http';
import { argon2id, hash, verify } from 'argon2';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { toNodeHandler } from 'better-auth/node';
import pg from 'pg';

const { PORT, DATABASE_URL, PASSWORD_HASH } = process.env;
const cost = { type: argon2id, memoryCost: 65_536, timeCost: 3, parallelism: 1 };

const options = {
  baseURL: `http://127.0.0.1:${PORT}`,
  // Of a throw-away server on loopback.
  secret: 'measured-on-loopback-and-thrown-away-afterwards',
  database: new pg.Pool({ connectionString: DATABASE_URL, max: 10 }),
  emailAndPassword: {
    enabled: true,
    ...(PASSWORD_HASH === 'equal'
      ? {
          password: {
            hash: (password) => hash(password, cost),
            verify: ({ hash: stored, password }) => verify(stored, password),
          },
        }
      : {}),
  },
  // Its page on PostgreSQL recommends it: user and account in one statement.
  advanced: { database: { joins: true } },
  // Its guide has 300 s, after which the browser is given a new cookie; the load takes none, so this one lasts as long.
  session: { cookieCache: { enabled: true, maxAge: 3600 } },
  // Every request of a load comes from one address.
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { level: 'error' },
};

const { runMigrations } = await getMigrations(options);
await runMigrations();
const handle = toNodeHandler(betterAuth(options));

const server = createServer((request, response) => {
  if (request.url === '/peer') response.end('better-auth');
  else void handle(request, response);
});
server.listen(Number(PORT), '127.0.0.1');
process.once('SIGTERM', () => process.exit(0));
