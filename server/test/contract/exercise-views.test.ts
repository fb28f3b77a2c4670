/** What everybody sees while everybody writes: right after each write exactly the rows that they may see, on this node. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { addItem, createExercise, ownExercise, systemExercise } from '../support/catalog.ts';
import { itemsOf } from '../support/expectations.ts';
import {
  call,
  enter,
  enterAsSuperuser,
  member,
  type SignedIn,
  startTestService,
  textMember,
} from '../support/service.ts';

const service = await startTestService();
const superuser = await enterAsSuperuser(service);
const people = [await enter(service), await enter(service), await enter(service)];
const muscle = await addItem(service, superuser, 'muscle-groups', 'muscle');
const other = await addItem(service, superuser, 'muscle-groups', 'another');
const tag = await addItem(service, superuser, 'exercise-tags', 'tag');

const random = createDraw(11);

/** Few, so that all are known addresses soon, and each with what it leaves of all rows in its order. */
const views: {
  query: string;
  matches: (row: Row) => boolean;
  orderBy: 'name' | 'createdAt';
  isDown: boolean;
}[] = [
  { query: 'pageSize=100', matches: () => true, orderBy: 'name', isDown: false },
  {
    query: 'pageSize=100&scope=user&orderBy=createdAt&sortOrder=desc',
    matches: ({ owner }) => owner !== null,
    orderBy: 'createdAt',
    isDown: true,
  },
  {
    query: `pageSize=100&searchString=A%20&primaryMuscles=${other}&sortOrder=desc`,
    matches: ({ name, muscles }) => name.includes('a ') && muscles.includes(other),
    orderBy: 'name',
    isDown: true,
  },
];

interface Row {
  id: string;
  owner: string | null;
  name: string;
  createdAt: Date;
  muscles: number[];
}

async function assertSeen(who: SignedIn): Promise<void> {
  const rows = await service.sql<Row[]>`
    select id, owner_id as owner, name_key as name, created_at as "createdAt",
      array(select muscle_group_id from exercise_primary_muscles where exercise_id = id) as muscles
    from exercises where owner_id is null or owner_id = ${who.id}`;
  for (const { query, matches, orderBy, isDown } of views) {
    const wanted = rows.filter(matches).sort((left, right) => {
      const [a, b] = orderBy === 'name' ? [left.name, right.name] : [left.createdAt, right.createdAt];
      const byValue = a < b ? -1 : a > b ? 1 : 0;
      return (byValue === 0 ? (left.id < right.id ? -1 : 1) : byValue) * (isDown ? -1 : 1);
    });
    const answer = await call(service, `/api/v1/exercises?${query}`, { bearer: who.accessToken });
    assert.equal(answer.status, 200);
    assert.deepEqual(
      itemsOf(answer.body).map((item) => textMember(item, 'id')),
      wanted.map(({ id }) => id),
      query,
    );
    assert.equal(member(answer.body, 'total'), wanted.length);
    const headers = { 'if-none-match': answer.headers.get('etag') ?? '' };
    // The tag tells no more to somebody else: theirs is another page.
    const reader = people[random(people.length)] ?? who;
    const again = await call(service, `/api/v1/exercises?${query}`, { bearer: reader.accessToken, headers });
    if (reader === who) assert.equal(again.status, 304);
    else if (wanted.some(({ owner }) => owner !== null)) assert.equal(again.status, 200);
  }
}

test('after each write everybody sees exactly the rows they may see, with lists under way all the while', async () => {
  const written: { id: string; owner: SignedIn | undefined }[] = [];
  let goesOn = true;
  const readers = people.map(async (who, place) => {
    for (let turn = place; goesOn; turn += 1) {
      const { query = '' } = views[turn % views.length] ?? {};
      await call(service, `/api/v1/exercises?${query}`, { bearer: who.accessToken });
      await wait(10);
    }
  });
  try {
    for (let step = 0; step < 24; step += 1) {
      const owner = [undefined, ...people][random(4)];
      const who = owner ?? superuser;
      const name = `${['A', 'B'][random(2)]} ${step}`;
      const primaryMuscles = [random(2) === 0 ? muscle : other];
      const own = written.filter((each) => each.owner === owner);
      const chosen = own[random(Math.max(1, own.length))];
      const kind = owner === undefined ? 'system' : 'user';
      const doing = chosen === undefined ? 'create' : ['create', 'create', 'change', 'remove'][random(4)];
      if (chosen === undefined || doing === 'create') {
        const body =
          owner === undefined
            ? systemExercise(muscle, tag, { name, primaryMuscles })
            : ownExercise(muscle, { name, primaryMuscles });
        written.push({ id: await createExercise(service, who, kind, body), owner });
      } else if (doing === 'change') {
        const { status } = await call(service, `/api/v1/exercises/${kind}/${chosen.id}`, {
          method: 'PATCH',
          bearer: who.accessToken,
          json: { name, primaryMuscles },
        });
        assert.equal(status, 200);
      } else {
        const target = `/api/v1/exercises/${chosen.id}`;
        assert.equal(
          (await call(service, target, { method: 'DELETE', bearer: who.accessToken })).status,
          204,
        );
        written.splice(written.indexOf(chosen), 1);
      }
      for (const reader of people) await assertSeen(reader);
    }
  } finally {
    goesOn = false;
    await Promise.all(readers);
  }
});

/** A small source of numbers below a bound, the same each time. */
function createDraw(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
