import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nameKey, slugOf } from '../names.ts';
import { generateExercises } from './generated-exercises.ts';
import { seedExercises } from './seed-exercises.ts';

const taken = {
  nameKeys: new Set(seedExercises.map(({ name }) => nameKey(name))),
  slugs: new Set(seedExercises.map(({ name }) => slugOf(name))),
};
const generate = (count: number, seed = 1) => generateExercises({ count, seed, taken });

const count = 50_000;
const generated = generate(count);
const exercises = [...generated.exercises()];

test('as many as were asked for, however few', () => {
  assert.equal(exercises.length, count);
  for (const few of [1, 2, 3, 49, 50, 51, 100, 101]) {
    assert.equal([...generate(few).exercises()].length, few);
  }
});

test('the same seed makes the same data, another one other data', () => {
  const [one, same, other] = [generate(500), generate(500), generate(500, 2)];
  assert.deepEqual([...one.exercises()], [...same.exercises()]);
  assert.deepEqual([...one.exercises()], [...one.exercises()]);
  assert.deepEqual(one.users, same.users);
  const ids = new Set([...one.exercises(), ...one.users].map(({ id }) => id));
  for (const { id } of [...other.exercises(), ...other.users]) assert.ok(!ids.has(id));
});

test('one in a hundred is the system, under names that were free', () => {
  const system = exercises.filter(({ ownerId }) => ownerId === null);
  assert.equal(system.length, count / 100);
  assert.equal(new Set(system.map(({ name }) => slugOf(name))).size, system.length);
  for (const { name } of system) assert.ok(!taken.slugs.has(slugOf(name)), name);
});

test('there is a user to fifty exercises; the first have hundreds and most have a few', () => {
  assert.equal(generated.users.length, count / 50);
  const byOwner = new Map<string, Set<string>>();
  for (const { ownerId, name } of exercises) {
    if (ownerId === null) continue;
    const names = byOwner.get(ownerId) ?? new Set();
    assert.ok(!names.has(nameKey(name)), `${name} twice`);
    byOwner.set(ownerId, names.add(nameKey(name)));
  }
  const sizes = [...byOwner.values()].map((names) => names.size).sort((a, b) => b - a);
  assert.equal(sizes.length, generated.users.length);
  const median = sizes[Math.floor(sizes.length / 2)] ?? 0;
  assert.ok((sizes[0] ?? 0) > 20 * median, `${sizes[0]} and ${median}`);
  assert.ok(median >= 10, String(median));
});

test('ids are UUIDv7 in the order of creation, all different, and names keep the limits', () => {
  const ids = exercises.map(({ id }) => id);
  assert.equal(new Set([...ids, ...generated.users.map(({ id }) => id)]).size, count + count / 50);
  assert.equal(Math.max(...exercises.map(({ name }) => name.length)) <= 100, true);
  for (const [index, { id, createdAt }] of exercises.entries()) {
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(Number.parseInt(id.replace('-', '').slice(0, 12), 16), createdAt.getTime());
    assert.ok(createdAt >= (exercises[index - 1]?.createdAt ?? createdAt));
  }
});

test('the related rows are counted before they are made', () => {
  const related = exercises.reduce((sum, { base, ownerId }) => {
    const tags = ownerId === null ? base.tags.length : 0;
    return sum + base.primary.length + base.secondary.length + base.equipment.length + tags;
  }, 0);
  assert.equal(generated.relatedCount, related);
});
