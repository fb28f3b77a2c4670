import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equipmentOf, muscleOf } from '../../src/exercises/seed/free-exercise-words.ts';
import { plain, readDocument, tableRows } from './document.ts';

const document = readDocument('docs/exercise-data.md');

test('the words of free-exercise-db and ours in docs/exercise-data.md are those of the import', () => {
  const rows = (firstColumn: string) => tableRows(document, firstColumn).map((cells) => cells.map(plain));
  assert.deepEqual(rows('muscle there'), [...muscleOf]);
  assert.deepEqual(rows('equipment there'), [...equipmentOf]);
});
