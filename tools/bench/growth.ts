/**
 * Does it stay as fast as people become more? Two services, one with few users and one with many, each user with a
 * session, are loaded in alternation: `/me`, refresh and sign-in, of people drawn at random. Services on core 0, their
 * PostgreSQL and the load on core 1. A part of figures.ts.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectToService } from './service-database.ts';
import { enter, type Serving, withServing } from './serving.ts';
import { describe, quantile } from './spread.ts';
import { runWrk } from './wrk.ts';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
type Say = (line: string) => void;

const sizes = { few: 1_000, many: 1_000_000 } as const;
type Size = keyof typeof sizes;
/** Signed in for `/me`: no more than are kept at hand, so that both sides answer from what they have. */
const callers = 1_000;
/** Tokens that are rotated in turn in a round: twice the connections. */
const rotated = 100;
const rounds = 9;
const seconds = 3;
/** What grows is the data and not the hash, which would hide it. */
const environment = { ARGON2_MEMORY_KIB: '64', ARGON2_PASSES: '1' };

const emailOf = (number: number) => `generated-${number}@example.org`;
const draw = (size: Size) => emailOf(1 + Math.floor(Math.random() * sizes[size]));

/** Prints Markdown. Takes some five minutes and two gigabytes of disk. */
export async function measureGrowth(say: Say): Promise<void> {
  await withServing({ core: 0, environment }, (few) =>
    withServing({ core: 0, environment }, async (many) => {
      const servings: Record<Size, Serving> = { few, many };
      const folder = mkdtempSync(join(tmpdir(), 'irontrack-growth-'));
      try {
        for (const size of ['few', 'many'] as const) await fill(servings[size], size, folder);
        await measure(say, servings, folder);
      } finally {
        rmSync(folder, { recursive: true });
      }
    }),
  );
}

interface Load {
  path: string;
  script: string;
  scriptArguments: string[];
}

/** Puts users and sessions in past the API, as if they had come over the last 90 days, and signs the callers in. */
async function fill(serving: Serving, size: Size, folder: string): Promise<void> {
  const { email } = await enter(serving.url);
  const sql = connectToService(serving.dataDir);
  try {
    await sql`
      insert into users (id, email, name, password_hash, created_at, updated_at)
      select gen_random_uuid(), 'generated-' || n || '@example.org', 'Person ' || n, known.password_hash, came, came
      from generate_series(1, ${sizes[size]}::int) n,
        (select password_hash from users where email = ${email}) known,
        lateral (select now() - random() * interval '90 days' + n * interval '0 s' as came) times`;
    await sql`
      insert into sessions (id, user_id, tag_key, current_hash, created_at, last_seen_at, idle_ends_at, absolute_ends_at,
        ip_address, user_agent)
      select gen_random_uuid(), id, sha256(id::text::bytea), sha256(email::bytea), created_at, now(), now() + interval '7 days',
        now() + interval '90 days', '192.0.2.' || (random() * 255)::int, 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Firefox/145.0'
      from users where email like 'generated-%'`;
    await sql`vacuum (analyze) users`;
    await sql`vacuum (analyze) sessions`;
    await sql`checkpoint`;
  } finally {
    await sql.end();
  }
  const tokens: string[] = [];
  for (let each = 0; each < callers; each += 1) {
    // Every user of the few, or one in a thousand of the many.
    const step = sizes[size] / callers;
    tokens.push((await enter(serving.url, emailOf(1 + each * step))).accessToken);
  }
  writeFileSync(join(folder, size), `${tokens.join('\n')}\n`);
}

async function measure(say: Say, servings: Readonly<Record<Size, Serving>>, folder: string): Promise<void> {
  const kinds: Readonly<Record<string, (size: Size) => Promise<Load>>> = {
    '`/me` of 1,000 callers': async (size) => ({
      path: '/api/v1/access/me',
      script: 'growth.lua',
      scriptArguments: ['me', join(folder, size)],
    }),
    refresh: async (size) => {
      const file = join(folder, `${size}-refresh`);
      const lines: string[] = [];
      while (lines.length < rotated) lines.push((await enter(servings[size].url, draw(size))).refreshToken);
      writeFileSync(file, `${lines.join('\n')}\n`);
      return { path: '/api/v1/auth/refresh', script: 'refresh.lua', scriptArguments: [file] };
    },
    'sign-in (cheapest Argon2id)': async (size) => ({
      path: '/api/v1/auth/login',
      script: 'growth.lua',
      scriptArguments: ['login', String(sizes[size])],
    }),
  };
  const [few, many] = [sizes.few, sizes.many].map((size) => size.toLocaleString('en'));
  say(
    `\n### From ${few} to ${many} users, \`wrk -c50\`, ${rounds - 1} rounds of ${seconds} s in alternation\n`,
  );
  say(`| request | a second at ${few} | at ${many} | many : few | P99 at ${few}, ms | at ${many} |`);
  say('| --- | --- | --- | --- | --- | --- |');
  for (const [name, prepare] of Object.entries(kinds)) {
    const rates: Record<Size, number[]> = { few: [], many: [] };
    const p99s: Record<Size, number[]> = { few: [], many: [] };
    for (let round = 0; round < rounds; round += 1) {
      const order = round % 2 === 0 ? (['few', 'many'] as const) : (['many', 'few'] as const);
      for (const size of order) {
        const { path, script, scriptArguments } = await prepare(size);
        const url = `${servings[size].url}${path}`;
        const options = ['-c50', '-s', here(script)];
        const { rate, p99Ms, errors } = await runWrk(url, seconds, options, { core: 1, scriptArguments });
        if (errors > 0) throw new Error(`${name} at ${sizes[size]} users: ${errors} errors.`);
        // The first round warms up.
        if (round === 0) continue;
        rates[size].push(rate);
        p99s[size].push(p99Ms);
      }
    }
    const ratios = rates.many.map((rate, index) => rate / (rates.few[index] ?? Number.NaN));
    const quartiles = [0.25, 0.75].map((share) => quantile(ratios, share).toFixed(3)).join('-');
    const ratio = `${quantile(ratios, 0.5).toFixed(3)} (quartiles ${quartiles})`;
    say(
      `| ${name} | ${describe(rates.few)} | ${describe(rates.many)} | ${ratio} | ` +
        `${quantile(p99s.few, 0.5).toFixed(1)} | ${quantile(p99s.many, 0.5).toFixed(1)} |`,
    );
  }
}
