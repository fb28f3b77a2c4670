/**
 * For any REST API that lists, reads and creates: copy it and change the path. It expects a JSON array at /posts, one
 * object at /posts/{id}, and 201 with the new object for what is sent there.
 */
import { defineScenario } from '../src/scenarios/scenario.ts';

interface Collection {
  ids: string[];
  /** What is created, in turn; each row is sent as one object. */
  rows: readonly Readonly<Record<string, string>>[];
  /** Counted for each feed: the number of the request, modulo a length, may fall in step with the order of the steps. */
  read: number;
  created: number;
}

interface Connection {
  /** What the last request asked for, to hold the answer against. */
  wanted: string;
}

const path = '/posts';

export const scenario = defineScenario<Collection, Connection>({
  name: 'rest-api',
  description: 'Lists, reads and creates, 3 to 6 to 1.',
  async setUp(context) {
    const answer = await context.newClient().send({ path });
    if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}`);
    const items = answer.json();
    const ids = Array.isArray(items) ? items.map((item: unknown) => String(readMember(item, 'id'))) : [];
    if (ids.length === 0) throw new Error(`${path} lists nothing to read; create something first`);
    return { ids, rows: context.readRows('rest-api.csv'), read: 0, created: 0 };
  },
  connect: async () => ({ wanted: '' }),
  steps: [
    {
      name: 'list',
      weight: 3,
      request: { path },
      check: (answer) => (Array.isArray(answer.json()) ? undefined : 'is no list'),
    },
    {
      name: 'read',
      weight: 6,
      request(connection, _number, collection) {
        connection.wanted = collection.ids[collection.read % collection.ids.length] ?? '';
        collection.read += 1;
        return { path: `${path}/${connection.wanted}` };
      },
      check(answer, { wanted }) {
        const id = String(readMember(answer.json(), 'id'));
        return id === wanted ? undefined : `is ${id}, not ${wanted}`;
      },
    },
    {
      name: 'create',
      weight: 1,
      request(connection, _number, collection) {
        const row = collection.rows[collection.created % collection.rows.length] ?? {};
        collection.created += 1;
        connection.wanted = row.title ?? '';
        return { method: 'POST', path, body: row };
      },
      expect: [201],
      check: (answer, { wanted }) =>
        readMember(answer.json(), 'title') === wanted ? undefined : 'has another title than was sent',
    },
  ],
});

function readMember(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
