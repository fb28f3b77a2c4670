import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import postgres from 'postgres';
import { migrate } from '../../src/database/migrations.ts';
import { canSearchByIndex } from '../../src/exercises/exercise-list.sql.ts';
import { addItem, createExercise, ownExercise, systemExercise } from '../support/catalog.ts';
import { createTestDatabase } from '../support/database.ts';
import { itemsOf } from '../support/expectations.ts';
import { call, enter, enterAsSuperuser, startTestService, textMember } from '../support/service.ts';

const database = await createTestDatabase();

test('where the role may not install pg_trgm the schema is brought up to date without it', async () => {
  const name = `poor_${randomBytes(4).toString('hex')}`;
  const admin = postgres({ ...database, max: 1, onnotice: () => undefined });
  await admin`create role ${admin(name)} login`;
  await admin`create database ${admin(name)} template template0`;
  await admin.end();
  const within = postgres({ ...database, database: name, max: 1, onnotice: () => undefined });
  await within`grant create, usage on schema public to ${within(name)}`;
  await within`revoke create on database ${within(name)} from public`;
  await migrate({ ...database, database: name, user: name });
  const [found] = await within`
    select to_regclass('exercises_system_trigrams') is null as missing,
      not exists (select from pg_extension where extname = 'pg_trgm') as without`;
  await within.end();
  assert.deepEqual({ ...found }, { missing: true, without: true });
});

test('a search finds the same with trigrams and without', async () => {
  const service = await startTestService();
  const superuser = await enterAsSuperuser(service);
  const person = await enter(service);
  const muscle = await addItem(service, superuser, 'muscle-groups', 'muscle');
  const tag = await addItem(service, superuser, 'exercise-tags', 'tag');
  for (const name of ['Overhead Press', 'Leg press', 'Row', 'a%b_c']) {
    await createExercise(
      service,
      superuser,
      'system',
      systemExercise(muscle, tag, { name: `${name} (system)` }),
    );
    await createExercise(service, person, 'user', ownExercise(muscle, { name }));
  }
  const search = async (text: string) => {
    const query = new URLSearchParams({ searchString: text });
    const { body } = await call(service, `/api/v1/exercises?${query}`, { bearer: person.accessToken });
    return itemsOf(body).map((item) => textMember(item, 'name'));
  };
  const texts = ['PRESS', 'ro', 'o', 'overhead p', '%', '_', 'system', 'nothing of the kind'];
  const findAll = async () =>
    Object.fromEntries(await Promise.all(texts.map(async (text) => [text, await search(text)])));
  const withTrigrams = await findAll();
  assert.equal(withTrigrams.PRESS?.length, 4);
  assert.equal(withTrigrams['%']?.length, 2);
  await service.sql`drop index exercises_system_trigrams`;
  await createExercise(service, superuser, 'system', systemExercise(muscle, tag, { name: 'zzz' }));
  assert.deepEqual(await findAll(), withTrigrams);
  const asked: string[] = [];
  const found = await canSearchByIndex(async (strings) => {
    asked.push(strings.join(''));
    return await service.sql.unsafe(strings.join(''));
  });
  assert.equal(found, false);
  assert.equal(asked.length, 1);
});
