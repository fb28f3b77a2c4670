import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addItem, createExercise, listSlugs, newName, ownExercise } from '../support/catalog.ts';
import { assertInvalid, assertProblem, eventually } from '../support/expectations.ts';
import { call, enter, enterAsSuperuser, member, startTestService } from '../support/service.ts';

const service = await startTestService();
const superuser = await enterAsSuperuser(service);
const person = await enter(service);
const bearer = superuser.accessToken;

for (const slug of listSlugs) {
  const path = `/api/v1/catalogs/${slug}`;
  const list = (query = '') => call(service, `${path}${query}`, { bearer: person.accessToken });
  const namesOf = (body: unknown) => {
    assert.ok(Array.isArray(body), JSON.stringify(body));
    return body.map((item) => member(item, 'name'));
  };

  test(`${slug}: an entry is stored in lower case with white space made one, and read by any user`, async () => {
    const created = await call(service, path, { bearer, json: { name: ' \t Upper   BODY\u00a0Back ' } });
    assert.equal(created.status, 201);
    const id = member(created.body, 'id');
    assert.ok(Number.isInteger(id));
    assert.deepEqual(created.body, { id, name: 'upper body back' });
    const read = await call(service, `${path}/${id}`, { bearer: person.accessToken });
    assert.equal(read.status, 200);
    assert.deepEqual(read.body, created.body);
  });

  test(`${slug}: the list is a bare array, by name unless told otherwise, searched in any case`, async () => {
    for (const name of ['Zebra', 'alpha 100%', 'alpha_b', '\u00c4rmel']) {
      await addItem(service, superuser, slug, name);
    }
    const whole = namesOf((await list()).body);
    assert.deepEqual(whole, whole.toSorted());
    assert.deepEqual(namesOf((await list('?sortOrder=desc')).body), whole.toReversed());
    const byId = (await list('?orderBy=id')).body;
    assert.ok(Array.isArray(byId));
    const ids = byId.map((item) => Number(member(item, 'id')));
    assert.deepEqual(
      ids,
      ids.toSorted((a, b) => a - b),
    );
    assert.deepEqual(namesOf((await list('?searchString=ALPHA')).body), ['alpha 100%', 'alpha_b']);
    assert.deepEqual(namesOf((await list('?searchString=%25')).body), ['alpha 100%']);
    assert.deepEqual(namesOf((await list('?searchString=a_b')).body), ['alpha_b']);
    assert.deepEqual(namesOf((await list('?searchString=%C3%A4RM')).body), ['\u00e4rmel']);
    assert.deepEqual(namesOf((await list('?searchString=')).body), whole);
    assertInvalid(
      await list('?orderBy=size&sortOrder=up&pageSize=1'),
      'orderBy literal_error',
      'sortOrder literal_error',
      'pageSize extra_forbidden',
    );
  });

  test(`${slug}: a name that is taken, in whatever case and spacing, is a 409`, async () => {
    const id = await addItem(service, superuser, slug, 'Taken Name');
    const other = await addItem(service, superuser, slug, 'Free Name');
    assertProblem(
      await call(service, path, { bearer, json: { name: 'taken  NAME' } }),
      409,
      'catalog-name-taken',
    );
    const change = { method: 'PATCH', bearer, json: { name: 'Taken name ' } };
    assertProblem(await call(service, `${path}/${other}`, change), 409, 'catalog-name-taken');
    assert.equal((await call(service, `${path}/${id}`, change)).status, 200, 'its own name again');
  });

  test(`${slug}: of parallel creations of one name one succeeds`, async () => {
    const answers = await Promise.all(
      ['Same One', 'same one', 'SAME  ONE', 'same one'].map((name) =>
        call(service, path, { bearer, json: { name } }),
      ),
    );
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409, 409]);
  });

  test(`${slug}: an entry is renamed and deleted; what does not exist is a 404`, async () => {
    const id = await addItem(service, superuser, slug, newName('short lived'));
    const renamed = await call(service, `${path}/${id}`, {
      method: 'PATCH',
      bearer,
      json: { name: 'Renamed' },
    });
    assert.equal(renamed.status, 200);
    assert.deepEqual(renamed.body, { id, name: 'renamed' });
    const gone = await call(service, `${path}/${id}`, { method: 'DELETE', bearer });
    assert.equal(gone.status, 204);
    assert.equal(gone.body, '');
    for (const request of [
      { method: 'GET' },
      { method: 'PATCH', json: { name: 'Renamed' } },
      { method: 'DELETE' },
    ]) {
      const answer = await call(service, `${path}/${id}`, { bearer, ...request });
      assertProblem(answer, 404, 'catalog-item-not-found');
    }
    const entries = await service.sql`
      select action, details->>'list' as list from audit_entries where details->>'id' = ${String(id)}
        and details->>'list' = ${slug} order by id`;
    assert.deepEqual(
      entries.map(({ action }) => action),
      ['catalog_item.created', 'catalog_item.updated', 'catalog_item.deleted'],
    );
  });

  test(`${slug}: names have 3 to 100 characters once white space is made one`, async () => {
    const create = (name: unknown) => call(service, path, { bearer, json: { name } });
    for (const name of ['abc', 'x'.repeat(100), `\u{1f3cb}`.repeat(3), `\u{1f4aa}`.repeat(100)]) {
      const { status, body } = await create(name);
      assert.equal(status, 201, JSON.stringify(body));
      assert.equal(member(body, 'name'), name);
    }
    for (const name of ['', 'ab', '   ', 'a   ', '  ab  ', '\u{1f3cb}\u{1f3cb}']) {
      assertInvalid(await create(name), 'name string_too_short');
    }
    for (const name of ['x'.repeat(101), '\u{1f3cb}'.repeat(101), '\u0130'.repeat(60), '\u0958'.repeat(60)]) {
      assertInvalid(await create(name), 'name string_too_long');
    }
    for (const name of [1, null, true, [], {}]) assertInvalid(await create(name), 'name string_type');
    const nothing = await call(service, path, { bearer, json: { label: 'x' } });
    assertInvalid(nothing, 'name missing', 'label extra_forbidden');
  });

  test(`${slug}: only superusers write, and nobody else learns anything from validation`, async () => {
    const id = await addItem(service, superuser, slug, newName('guarded'));
    const writes = [
      [path, { method: 'POST', json: { name: '' } }],
      [`${path}/${id}`, { method: 'PATCH', json: { name: '' } }],
      [`${path}/${id}`, { method: 'DELETE' }],
      [`${path}/nonsense`, { method: 'DELETE' }],
    ] as const;
    for (const [target, request] of writes) {
      assertProblem(await call(service, target, request), 401, 'not-authenticated');
      const refused = await call(service, target, { ...request, bearer: person.accessToken });
      assertProblem(refused, 403, 'not-permitted');
    }
    for (const target of [path, `${path}/${id}`]) {
      assertProblem(await call(service, target), 401, 'not-authenticated');
    }
    assert.equal((await call(service, `${path}/${id}`, { bearer: person.accessToken })).status, 200);
  });

  test(`${slug}: an id that is none is a 422`, async () => {
    for (const id of ['0', '-1', '1.5', 'one', '2147483648', '99999999999999999999']) {
      for (const method of ['GET', 'DELETE']) {
        const { status, body } = await call(service, `${path}/${id}`, { method, bearer });
        assert.equal(status, 422, JSON.stringify(body));
      }
    }
    assertProblem(await call(service, `${path}/2147483647`, { bearer }), 404, 'catalog-item-not-found');
  });
}

test('whatever text a name is, it is stored normalised or refused, never an error', async () => {
  const name = fc.string({ unit: 'binary', minLength: 0, maxLength: 110 });
  await fc.assert(
    fc.asyncProperty(name, async (given) => {
      const answer = await call(service, '/api/v1/catalogs/equipment', {
        bearer,
        headers: { 'content-type': 'application/json' },
        raw: JSON.stringify({ name: given }),
      });
      assert.ok([201, 409, 422].includes(answer.status), JSON.stringify(answer.body));
      const isStorable = given.isWellFormed() && !given.includes('\0');
      if (!isStorable) assert.equal(answer.status, 422);
      if (answer.status !== 201) return;
      const stored = String(member(answer.body, 'name'));
      assert.equal(stored, stored.trim().replaceAll(/\s+/g, ' '));
      assert.equal(stored, stored.toLowerCase().normalize('NFC'));
      assert.ok([...stored].length >= 3 && [...stored].length <= 100);
    }),
    { numRuns: 150 },
  );
});

test('a renamed or deleted entry is seen in the pages of exercises at once, and on another node', async () => {
  const other = await startTestService({ beside: service });
  const muscle = await addItem(service, superuser, 'muscle-groups', 'old name');
  const second = await addItem(service, superuser, 'muscle-groups', 'second');
  await createExercise(service, person, 'user', ownExercise(muscle, { primaryMuscles: [muscle, second] }));
  const muscles = async (at = service) => {
    const { body } = await call(at, '/api/v1/exercises?scope=user', { bearer: person.accessToken });
    const items = member(body, 'items');
    assert.ok(Array.isArray(items));
    return member(items[0], 'primaryMuscles');
  };
  const rest = { id: second, name: 'second' };
  await eventually(async () => JSON.stringify(await muscles(other)).includes('old name'));
  assert.deepEqual(await muscles(), [{ id: muscle, name: 'old name' }, rest]);
  const path = `/api/v1/catalogs/muscle-groups/${muscle}`;
  await call(service, path, { method: 'PATCH', bearer, json: { name: 'new name' } });
  assert.deepEqual(await muscles(), [{ id: muscle, name: 'new name' }, rest]);
  await eventually(async () => JSON.stringify(await muscles(other)).includes('new name'));
  await call(service, path, { method: 'DELETE', bearer });
  assert.deepEqual(await muscles(), [rest]);
  await eventually(async () => !JSON.stringify(await muscles(other)).includes('new name'));
});
