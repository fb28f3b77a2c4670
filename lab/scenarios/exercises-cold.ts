/** Lists of the exercise catalog that hardly anybody asked for before: each request draws what it asks for. */
import { type Answer, defineScenario, type RequestPlan } from '../src/scenarios/scenario.ts';
import {
  type BrowserSession,
  type Crowd,
  enterAsBrowser,
  gatherCrowd,
  readMember,
  renewAsBrowser,
} from './account.ts';

interface Reader extends BrowserSession {
  random: () => number;
  /** Ids of muscle groups. */
  muscles: readonly string[];
  /** Where the list by creation goes on; empty at its begin. */
  cursor: string;
  /** What was asked for; one connection has one request under way. */
  size: number;
  word: string;
}

const path = '/api/v1/exercises';
const words = ['press', 'curl', 'squat', 'row', 'plank', 'raise', 'stretch', 'jump'];
const categories = ['strength', 'stretching', 'plyometrics', 'strongman', 'powerlifting', 'cardio'];

export const scenario = defineScenario<Crowd, Reader>({
  name: 'exercises-cold',
  description:
    'Out of 10 lists: 4 plain, 2 by cursor, 2 searches, 1 by category, 1 by muscle; sizes 41 to 60.',
  setUp: async () => gatherCrowd('exercises-cold'),
  async connect(context, crowd, index) {
    const session = await enterAsBrowser(context, crowd, index);
    const list = (await session.client.send({ path: '/api/v1/catalogs/muscle-groups' })).json();
    const muscles = Array.isArray(list) ? list.map((item: unknown) => String(readMember(item, 'id'))) : [];
    if (muscles.length === 0) throw new Error('There are no muscle groups to ask for.');
    return { ...session, random: context.random, muscles, cursor: '', size: 0, word: '' };
  },
  renew: { everyS: 600, run: renewAsBrowser },
  steps: [
    { name: 'plain', weight: 4, request: (reader) => ask(reader, drawOrder(reader)), check: isPage },
    {
      name: 'cursor',
      weight: 2,
      request(reader) {
        const { cursor } = reader;
        return ask(reader, `orderBy=createdAt&sortOrder=desc${cursor === '' ? '' : `&cursor=${cursor}`}`);
      },
      check(answer, reader) {
        const next = readMember(answer.json(), 'next_cursor');
        reader.cursor = typeof next === 'string' ? next : '';
        return isPage(answer, reader);
      },
    },
    {
      name: 'search',
      weight: 2,
      request(reader) {
        reader.word = pick(reader, words);
        return ask(reader, `searchString=${reader.word}&${drawOrder(reader)}`);
      },
      check(answer, reader) {
        const items = readMember(answer.json(), 'items');
        const names = Array.isArray(items)
          ? items.map((item: unknown) => String(readMember(item, 'name')))
          : [];
        const wrong = names.find((name) => !name.toLowerCase().includes(reader.word));
        return wrong === undefined ? isPage(answer, reader) : `found ${wrong} by ${reader.word}`;
      },
    },
    {
      name: 'category',
      request: (reader) => ask(reader, `category=${pick(reader, categories)}&${drawOrder(reader)}`),
      check: isPage,
    },
    {
      name: 'muscle',
      request: (reader) => ask(reader, `primaryMuscles=${pick(reader, reader.muscles)}&${drawOrder(reader)}`),
      check: isPage,
    },
  ],
});

function ask(reader: Reader, query: string): RequestPlan {
  reader.size = 41 + Math.floor(reader.random() * 20);
  return { path: `${path}?pageSize=${reader.size}&${query}`, headers: { cookie: reader.cookie } };
}

function drawOrder(reader: Reader): string {
  return `orderBy=${pick(reader, ['name', 'createdAt'])}&sortOrder=${pick(reader, ['asc', 'desc'])}`;
}

function pick(reader: Reader, values: readonly string[]): string {
  return values[Math.floor(reader.random() * values.length)] ?? '';
}

/** No more than was asked for. */
function isPage(answer: Answer, { size }: Reader): string | undefined {
  const items = readMember(answer.json(), 'items');
  if (!Array.isArray(items)) return 'is no page';
  return items.length <= size ? undefined : `lists ${items.length} exercises, not ${size}`;
}
