import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CatalogItemInput, SystemExerciseCreation } from '@irontrack/contract/exercises.ts';
import { Ajv } from 'ajv';
import { nameKey, slugOf, tidyName } from '../names.ts';
import { seedExercises } from './seed-exercises.ts';
import { toSystemExercise } from './system-exercises.ts';
import { seedEquipment, seedMuscleGroups, seedTags } from './vocabulary.ts';

const ajv = new Ajv({ allErrors: true });
const isCreation = ajv.compile(SystemExerciseCreation);
const isItem = ajv.compile(CatalogItemInput);

/** Names as the ids that a request would have: their places in the list, from 1. */
function idsOf(list: readonly string[], names: readonly string[]): number[] {
  return names.map((name) => list.indexOf(name) + 1);
}

test('every exercise of the seed would be accepted by POST /exercises/system', () => {
  for (const seed of seedExercises) {
    const { name, force, level, mechanic, category, instructions } = toSystemExercise(seed, 'an-id');
    const body = {
      name,
      force,
      difficultyLevel: level,
      mechanic,
      category,
      instructions,
      primaryMuscles: idsOf(seedMuscleGroups, seed.primary),
      ...(seed.secondary.length > 0 ? { secondaryMuscles: idsOf(seedMuscleGroups, seed.secondary) } : {}),
      ...(seed.equipment.length > 0 ? { equipment: idsOf(seedEquipment, seed.equipment) } : {}),
      tags: idsOf(seedTags, seed.tags),
    };
    assert.ok(isCreation(body), `${name}: ${ajv.errorsText(isCreation.errors)}`);
  }
});

test('there are at least 60, with names, slugs and names in any case that are all different', () => {
  assert.ok(seedExercises.length >= 60, String(seedExercises.length));
  for (const derive of [tidyName, nameKey, slugOf]) {
    const derived = seedExercises.map(({ name }) => derive(name));
    assert.equal(new Set(derived).size, derived.length);
    assert.ok(!derived.includes(''));
  }
  for (const { name } of seedExercises) assert.equal(tidyName(name), name);
});

test('the words of the lists are stored as they stand, and each exists once', () => {
  for (const list of [seedMuscleGroups, seedEquipment, seedTags]) {
    assert.equal(new Set(list).size, list.length);
    assert.deepEqual([...list].sort(), [...list]);
    for (const name of list) {
      assert.ok(isItem({ name }), name);
      assert.equal(nameKey(name), name);
    }
  }
});

test('no exercise names a muscle, a piece of equipment or a tag twice, nor a muscle in both lists', () => {
  for (const { name, primary, secondary, equipment, tags } of seedExercises) {
    for (const names of [[...primary, ...secondary], equipment, tags]) {
      assert.equal(new Set<string>(names).size, names.length, name);
    }
  }
});

test('the lists have no word that no exercise uses, but for what imported and own exercises need', () => {
  const used = new Set<string>(seedExercises.flatMap(({ primary, secondary }) => [...primary, ...secondary]));
  assert.deepEqual(
    seedMuscleGroups.filter((name) => !used.has(name)),
    [],
  );
  const tags = new Set<string>(seedExercises.flatMap((exercise) => exercise.tags));
  assert.deepEqual(
    seedTags.filter((name) => !tags.has(name)),
    [],
  );
});

test('every exercise is described in two to four steps of whole sentences', () => {
  for (const { name, steps } of seedExercises) {
    assert.ok(steps.length >= 2 && steps.length <= 4, name);
    for (const step of steps) assert.match(step, /^[A-Z].*\.$/, name);
  }
});
