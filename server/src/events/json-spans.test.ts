import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { findItems, findMembers, TooDeep } from './json-spans.ts';

/** The same value as text with white space wherever JSON allows it. */
function spell(value: unknown, space: () => string): string {
  if (Array.isArray(value)) {
    return `[${value.map((item) => space() + spell(item, space) + space()).join(',') || space()}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(
      ([key, member]) =>
        `${space()}${JSON.stringify(key)}${space()}:${space()}${spell(member, space)}${space()}`,
    );
    return `{${members.join(',') || space()}}`;
  }
  return JSON.stringify(value);
}

const objects = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 4 }));
const spaces = fc.infiniteStream(fc.constantFrom('', '', ' ', '\n', '\t\r '));

test('every member of an object is found where JSON.parse finds it', () => {
  fc.assert(
    fc.property(objects, spaces, (object, stream) => {
      const space = () => stream.next().value ?? '';
      const text = space() + spell(object, space) + space();
      const spans = findMembers(text, 100) ?? assert.fail('an object');
      const parsed: Record<string, unknown> = JSON.parse(text);
      assert.deepEqual(
        spans.map(({ key, start, end }) => [JSON.parse(`"${key}"`), JSON.parse(text.slice(start, end))]),
        Object.keys(object).map((key) => [key, parsed[key]]),
      );
      for (const { start, end } of spans) assert.equal(text.slice(start, end), text.slice(start, end).trim());
    }),
  );
});

test('every item of an array is found', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue({ maxDepth: 3 })), spaces, (items, stream) => {
      const text = spell(items, () => stream.next().value ?? '');
      assert.deepEqual(
        findItems(text, 0).map(({ start, end }) => JSON.parse(text.slice(start, end))),
        JSON.parse(text),
      );
    }),
  );
});

test('text that is no JSON ends the search too', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'{}[]",:\\a1 ') }), (text) => {
      findMembers(text, 100);
      findItems(text, 0);
    }),
  );
});

test('depth counts from the object itself', () => {
  assert.equal(findMembers('{"a":{"b":[1]}}', 3)?.length, 1);
  assert.throws(() => findMembers('{"a":{"b":[1]}}', 2), TooDeep);
  assert.equal(findMembers('[]', 3), undefined);
});
