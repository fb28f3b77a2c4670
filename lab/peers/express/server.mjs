/**
 * Express with Passport and jsonwebtoken on PostgreSQL, as their guides set them up: passport-local to sign in,
 * passport-jwt for who is signed in, bcrypt. PASSWORD_HASH=equal takes Argon2id instead.
 */
import { argon2id, hash as hashArgon2, verify as verifyArgon2 } from 'argon2';
import bcrypt from 'bcrypt';
import express from 'express';
import jwt from 'jsonwebtoken';
import passport from 'passport';
import { ExtractJwt, Strategy as JwtStrategy } from 'passport-jwt';
import { Strategy as LocalStrategy } from 'passport-local';
import pg from 'pg';

const { PORT, DATABASE_URL, PASSWORD_HASH } = process.env;
// Of a throw-away server on loopback.
const secret = 'measured-on-loopback-and-thrown-away-afterwards';
const argon2Cost = { type: argon2id, memoryCost: 65_536, timeCost: 3, parallelism: 1 };
// The rounds of bcrypt's own guide.
const bcryptRounds = 10;
const passwords =
  PASSWORD_HASH === 'equal'
    ? { hash: (text) => hashArgon2(text, argon2Cost), verify: (text, stored) => verifyArgon2(stored, text) }
    : {
        hash: (text) => bcrypt.hash(text, bcryptRounds),
        verify: (text, stored) => bcrypt.compare(text, stored),
      };

const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 10 });
await pool.query(`create table if not exists users (
  id uuid primary key default gen_random_uuid(), email text not null unique, name text, password text not null,
  created_at timestamptz not null default now())`);

passport.use(
  new LocalStrategy({ usernameField: 'email', session: false }, async (email, password, done) => {
    try {
      const { rows } = await pool.query('select id, email, name, password from users where email = $1', [
        email,
      ]);
      const [user] = rows;
      if (user === undefined || !(await passwords.verify(password, user.password))) done(null, false);
      else done(null, user);
    } catch (error) {
      done(error);
    }
  }),
);
passport.use(
  new JwtStrategy(
    { jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(), secretOrKey: secret, algorithms: ['HS256'] },
    async ({ sub }, done) => {
      try {
        const { rows } = await pool.query('select id, email, name, created_at from users where id = $1', [
          sub,
        ]);
        done(null, rows[0] ?? false);
      } catch (error) {
        done(error);
      }
    },
  ),
);

const app = express();
app.disable('x-powered-by');
app.use(express.json());
app.use(passport.initialize());
app.get('/peer', (_request, response) => {
  response.send('express');
});
app.post('/signup', async (request, response) => {
  const { email, password, name } = request.body;
  const stored = await passwords.hash(password);
  const { rows } = await pool.query(
    'insert into users (email, name, password) values ($1, $2, $3) returning id, email, name',
    [email, name, stored],
  );
  response.status(201).json(rows[0]);
});
app.post('/signin', passport.authenticate('local', { session: false }), (request, response) => {
  response.json({ access_token: jwt.sign({ sub: request.user.id }, secret, { expiresIn: '30m' }) });
});
app.get('/me', passport.authenticate('jwt', { session: false }), (request, response) => {
  response.json(request.user);
});
app.listen(Number(PORT), '127.0.0.1');
process.once('SIGTERM', () => process.exit(0));
