import assert from 'node:assert/strict';
import { test } from 'node:test';
import type postgres from 'postgres';
import { addItem, createExercise, ownExercise } from '../support/catalog.ts';
import { eventually } from '../support/expectations.ts';
import { call, enter, enterAsSuperuser, startTestService } from '../support/service.ts';

const service = await startTestService();
const superuser = await enterAsSuperuser(service);
const person = await enter(service);

/** Makes PostgreSQL end a deadlock of `request` and a transaction here at the cost of `request`. */
async function deadlock<Answer>(
  lockFirst: (tx: postgres.TransactionSql) => Promise<unknown>,
  request: () => Promise<Answer>,
  lockSecond: (tx: postgres.TransactionSql) => Promise<unknown>,
): Promise<Answer> {
  const sent = await service.sql.begin(async (tx) => {
    // Whoever looks first is rolled back: it must not be this one.
    await tx`set local deadlock_timeout = '1min'`;
    await lockFirst(tx);
    const answer = request();
    await eventually(async () => {
      const waiting = await tx`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      return waiting.length > 0;
    });
    await lockSecond(tx);
    return { answer };
  });
  return await sent.answer;
}

test('a change of an exercise that lost a deadlock is made all the same', async () => {
  const muscle = await addItem(service, superuser, 'muscle-groups', 'changed');
  const id = await createExercise(service, person, 'user', ownExercise(muscle));
  const { status, body } = await deadlock(
    (tx) => tx`select from muscle_groups where id = ${muscle} for update`,
    () =>
      call(service, `/api/v1/exercises/user/${id}`, {
        method: 'PATCH',
        bearer: person.accessToken,
        json: { name: 'Changed in spite', secondaryMuscles: [muscle] },
      }),
    (tx) => tx`select from exercises where id = ${id} for update`,
  );
  assert.equal(status, 200, JSON.stringify(body));
  const rows = await service.sql`select name from exercises where id = ${id}`;
  assert.deepEqual([...rows], [{ name: 'Changed in spite' }]);
});

test('a deletion of an entry that lost a deadlock is made all the same', async () => {
  const muscle = await addItem(service, superuser, 'muscle-groups', 'deleted');
  const id = await createExercise(service, person, 'user', ownExercise(muscle));
  const { status, body } = await deadlock(
    (tx) => tx`select from exercise_primary_muscles where exercise_id = ${id} for update`,
    () =>
      call(service, `/api/v1/catalogs/muscle-groups/${muscle}`, {
        method: 'DELETE',
        bearer: superuser.accessToken,
      }),
    (tx) => tx`select from muscle_groups where id = ${muscle} for update`,
  );
  assert.equal(status, 204, JSON.stringify(body));
  assert.equal((await service.sql`select from muscle_groups where id = ${muscle}`).length, 0);
});
