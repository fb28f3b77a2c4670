/**
 * How long each kind of list of exercises takes, one at a time or at a constant rate. With a rate each request leaves by
 * the clock, on a connection that is free, and its time begins when it was due. What is asked for is drawn at random
 * from so much that hardly any page is at hand; users take turns at random, too.
 *
 * node tools/bench/list-latency.ts URL --callers FILE [--rate 50] [--count 3000]
 *   FILE has a line for each user: access token, a space, pages of 50 that their list has. Prints a Markdown table.
 */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { parseArgs } from 'node:util';
import { quantile } from './spread.ts';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    callers: { type: 'string', default: '' },
    rate: { type: 'string', default: '0' },
    count: { type: 'string', default: '3000' },
  },
});
const target = new URL('/api/v1/exercises', positionals[0] ?? 'http://127.0.0.1:8000');
const rate = Number(values.rate);
const count = Number(values.count);
const callers = readFileSync(values.callers, 'utf8')
  .trim()
  .split('\n')
  .map((line) => {
    const [token = '', pages = '1'] = line.split(' ');
    return { token, pages: Number(pages), cursor: '' };
  });
type Caller = (typeof callers)[number];

const agent = new Agent({ keepAlive: true, maxSockets: 50 });
const draw = (below: number) => Math.floor(Math.random() * below);
const pick = <Item>(items: readonly Item[]): Item | undefined => items[draw(items.length)];
const several = (name: string, most: number) =>
  Array.from({ length: 1 + draw(3) }, () => `${name}=${1 + draw(most)}`).join('&');

const words = ['press', 'curl', 'squat', 'row', 'slow', 'banded', 'drop set', 'heavy b', 'seated', 'no such'];
const categories = ['strength', 'stretching', 'plyometrics', 'strongman', 'powerlifting', 'cardio'];
const byCursor = 'orderBy=createdAt&sortOrder=desc';
const kinds: Readonly<Record<string, (caller: Caller) => string>> = {
  'plain, first page': () => '',
  'page by number': ({ pages }) => `currentPage=${1 + draw(pages)}`,
  'page by cursor': ({ cursor }) => `${byCursor}${cursor === '' ? '' : `&cursor=${cursor}`}`,
  search: () => `searchString=${encodeURIComponent(pick(words) ?? '')}`,
  category: () => `category=${pick(categories)}`,
  muscles: () => several('primaryMuscles', 17),
  equipment: () => several('equipment', 12),
  tags: () => several('tags', 20),
};

function ask(caller: Caller, query: string): Promise<string> {
  const url = new URL(target);
  const rest = /sortOrder/.test(query)
    ? ''
    : `&orderBy=${pick(['name', 'createdAt'])}&sortOrder=${pick(['asc', 'desc'])}`;
  url.search = `pageSize=${/cursor|sortOrder/.test(query) ? 50 : 45 + draw(11)}&${query}${rest}`;
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, headers: { cookie: `access_token=${caller.token}` } }, (response) => {
      let text = '';
      response.setEncoding('latin1');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`${url.search} got ${response.statusCode}: ${text}`));
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

const latencies = new Map<string, number[]>(Object.keys(kinds).map((name) => [name, []]));
const names = Object.keys(kinds);
let sent = 0;

async function measureOne(dueAt: number | undefined): Promise<void> {
  const name = names[sent % names.length] ?? '';
  sent += 1;
  const caller = pick(callers);
  const query = caller === undefined ? undefined : kinds[name]?.(caller);
  if (caller === undefined || query === undefined) throw new Error('There is nobody to ask for.');
  const startedAt = dueAt ?? performance.now();
  const text = await ask(caller, query);
  latencies.get(name)?.push(performance.now() - startedAt);
  if (query.startsWith(byCursor)) caller.cursor = /"next_cursor":"([^"]+)"\}$/.exec(text)?.[1] ?? '';
}

if (rate === 0) {
  while (sent < count) await measureOne(undefined);
} else {
  const underWay: Promise<void>[] = [];
  const startedAt = performance.now();
  while (sent < count) {
    const dueAt = startedAt + (sent * 1000) / rate;
    const waitMs = dueAt - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    // This program's own timer may be late; that is not the server's.
    underWay.push(measureOne(performance.now()));
  }
  await Promise.all(underWay);
}
agent.destroy();

const print = (line: string) => process.stdout.write(`${line}\n`);
print('| list | P50 | P90 | P99 | most | lists |\n| --- | --- | --- | --- | --- | --- |');
// The first twentieth of each warms up.
const counted = [...latencies].map(([name, all]) => [name, all.slice(Math.floor(all.length / 20))] as const);
const all = counted.flatMap(([, sample]) => sample);
for (const [name, sample] of [['all', all] as const, ...counted]) {
  const row = [0.5, 0.9, 0.99, 1].map((share) => quantile(sample, share).toFixed(2));
  print(`| ${[name, ...row, sample.length].join(' | ')} |`);
}
print('');
