import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SystemExerciseCreation } from '@irontrack/contract/exercises.ts';
import { readFreeExercises } from './free-exercise-db.ts';
import { imagePath } from './free-exercise-row.ts';
import { seedEquipment, seedMuscleGroups, seedTags } from './vocabulary.ts';

const row = {
  id: 'Suitcase_Carry',
  name: 'Suitcase  Carry ',
  force: 'static',
  level: 'beginner',
  mechanic: 'compound',
  equipment: 'kettlebells',
  primaryMuscles: ['forearms', 'middle back', 'forearms'],
  secondaryMuscles: ['abdominals', 'forearms'],
  instructions: ['Pick up one kettlebell.', ' Walk   without leaning. ', ''],
  category: 'strongman',
  images: ['Suitcase_Carry/0.jpg', 'Suitcase_Carry/1.jpg', './Suitcase_Carry/2.JPG'],
};

const read = (value: unknown) => readFreeExercises(Buffer.from(JSON.stringify(value)), () => 'an-id');

test('a row becomes a system exercise in our words', () => {
  assert.deepEqual(read([row]), {
    rows: 1,
    refused: [],
    exercises: [
      {
        id: 'an-id',
        name: 'Suitcase Carry',
        nameKey: 'suitcase carry',
        slug: 'suitcase-carry',
        force: 'static',
        level: 'beginner',
        mechanic: 'compound',
        category: 'strongman',
        equipment: ['kettlebell'],
        primary: ['forearms', 'upper back'],
        secondary: ['abdominals'],
        tags: ['upper body', 'full body'],
        instructions: 'Pick up one kettlebell.\nWalk without leaning.',
        imagePathStart: '/suitcase_carry/0.jpg',
        imagePathEnd: '/suitcase_carry/2.jpg',
      },
    ],
  });
});

test('what the format lets be null or empty may be missing from the exercise', () => {
  const bare = { ...row, force: null, mechanic: null, equipment: null, instructions: [], images: [] };
  const [exercise] = read([bare]).exercises;
  assert.equal(exercise?.force, null);
  assert.equal(exercise.mechanic, null);
  assert.equal(exercise.instructions, null);
  assert.deepEqual(exercise.equipment, []);
  assert.deepEqual([exercise.imagePathStart, exercise.imagePathEnd], [null, null]);
  const [oneImage] = read([{ ...row, images: ['a/b.webp'] }]).exercises;
  assert.deepEqual([oneImage?.imagePathStart, oneImage?.imagePathEnd], ['/a/b.webp', null]);
});

test('every word of the format has one of ours', () => {
  const muscles =
    'abdominals,abductors,adductors,biceps,calves,chest,forearms,glutes,hamstrings,lats,lower back,middle back,neck,quadriceps,shoulders,traps,triceps'.split(
      ',',
    );
  const equipment =
    'medicine ball,dumbbell,body only,bands,kettlebells,foam roll,cable,machine,barbell,exercise ball,e-z curl bar,other'.split(
      ',',
    );
  const rows = muscles.flatMap((muscle) =>
    equipment.map((thing) => ({
      ...row,
      id: `${muscle}_${thing}`.replaceAll(' ', '_'),
      name: `${muscle} with ${thing}`,
      primaryMuscles: [muscle],
      equipment: thing,
    })),
  );
  const { exercises, refused } = read(rows);
  assert.deepEqual(refused, []);
  assert.equal(exercises.length, rows.length);
  for (const exercise of exercises) {
    assert.ok(exercise.primary.every((name) => seedMuscleGroups.includes(name)));
    assert.ok(exercise.equipment.every((name) => seedEquipment.includes(name)));
    assert.ok(exercise.tags.every((name) => seedTags.includes(name)));
  }
});

test('an image path that is taken is one that the contract takes', () => {
  assert.equal(
    imagePath.source.replaceAll('\\/', '/'),
    SystemExerciseCreation.properties.imagePathStart.pattern,
  );
});

/** Each with what differs from a good row, and what the reason says. */
const refusals: readonly [string, unknown, RegExp][] = [
  ['a number', 7, /must be an object, not a number/],
  ['null', null, /must be an object, not null/],
  ['a list', [row], /must be an object, not a list/],
  ['nothing', {}, /id is missing/],
  ['a member __proto__', JSON.parse('{"__proto__":{"id":"a","name":"Abc"}}'), /__proto__/],
  ['an id with a space', { ...row, id: 'a b' }, /id must be letters/],
  ['an id that is a number', { ...row, id: 1 }, /id must be text, not a number/],
  ['no name', { ...row, name: undefined }, /name is missing/],
  ['a short name', { ...row, name: ' ab ' }, /name must have 3 to 100 characters, and has 2/],
  ['a long name', { ...row, name: 'x'.repeat(101) }, /and has 101/],
  ['a name of signs', { ...row, name: '+-+' }, /a letter or a digit/],
  ['NUL in the name', { ...row, name: 'ab\u0000cd' }, /control characters: "ab\\u0000cd"/],
  ['half a character', { ...row, name: 'abc\ud800' }, /half of a UTF-16 pair/],
  [
    'an unknown level',
    { ...row, level: 'hard' },
    /level must be beginner, intermediate or expert, not "hard"/,
  ],
  ['no level', { ...row, level: null }, /level must be text, not null/],
  ['an unknown force', { ...row, force: 'up' }, /force must be pull, push or static/],
  ['an unknown mechanic', { ...row, mechanic: 3 }, /mechanic must be text/],
  ['an unknown category', { ...row, category: 'yoga' }, /category must be strength/],
  ['no muscle', { ...row, primaryMuscles: [] }, /at least one muscle/],
  ['an unknown muscle', { ...row, primaryMuscles: ['wings'] }, /not "wings"/],
  [
    'a muscle named as a member of every object',
    { ...row, primaryMuscles: ['constructor'] },
    /not "constructor"/,
  ],
  [
    'muscles that are text',
    { ...row, secondaryMuscles: 'lats' },
    /secondaryMuscles must be a list, not text/,
  ],
  ['a muscle that is a list', { ...row, secondaryMuscles: [['lats']] }, /not \["lats"\]/],
  ['unknown equipment', { ...row, equipment: '__proto__' }, /equipment must be bands/],
  ['equipment that is a list', { ...row, equipment: ['bands'] }, /equipment must be bands/],
  ['steps that are no text', { ...row, instructions: [1] }, /instructions must hold text alone/],
  ['steps that are too long', { ...row, instructions: ['x'.repeat(10_001)] }, /have 10001/],
  ['steps that drive the terminal', { ...row, instructions: ['a\u001b[2J'] }, /control characters/],
  ['an image outside', { ...row, images: ['../../etc/passwd.jpg'] }, /the image "..\/..\/etc\/passwd.jpg"/],
  ['an image of another kind', { ...row, images: ['a/b.svg'] }, /jpg, jpeg, png or webp/],
  ['an image with a space', { ...row, images: ['a b/c.jpg'] }, /the image "a b\/c.jpg"/],
  ['an image with a long path', { ...row, images: [`${'a'.repeat(250)}/0.jpg`] }, /the image/],
];

for (const [name, value, reason] of refusals) {
  test(`${name} is refused in one sentence, and the row before it is not`, () => {
    const { exercises, refused, rows } = read([{ ...row, id: 'First', name: 'First of all' }, value]);
    assert.equal(rows, 2);
    assert.equal(exercises.length, 1);
    assert.equal(refused.length, 1);
    assert.equal(refused[0]?.row, 2);
    assert.match(refused[0].reason, reason);
    assert.match(refused[0].reason, /^[\x20-\x7e]+$/);
    assert.ok(refused[0].reason.length < 400, refused[0].reason);
  });
}

test('a second row of the same id, or with a name of the same slug, is refused and says which was first', () => {
  const { refused } = read([
    row,
    { ...row, name: 'Another' },
    { ...row, id: 'other', name: 'suitcase/carry' },
  ]);
  assert.deepEqual(refused, [
    { row: 2, id: '"Suitcase_Carry"', reason: 'its id is that of row 1 already' },
    { row: 3, id: '"other"', reason: 'the slug "suitcase-carry" of its name is that of row 1 already' },
  ]);
});

test('a file that is none of the format is refused as a whole', () => {
  const faults: readonly [string | Uint8Array, RegExp][] = [
    ['', /not JSON/],
    ['exercises', /not JSON/],
    ['['.repeat(100_000), /not JSON/],
    ['{"id":"a"}', /not a list/],
    ['"text"', /not a list/],
    [JSON.stringify(Array.from({ length: 100_001 }, () => 0)), /100001 rows/],
    [Uint8Array.of(0x5b, 0xff, 0x5d), /not text in UTF-8/],
  ];
  for (const [text, fault] of faults) {
    assert.throws(() => readFreeExercises(Buffer.from(text), () => ''), { status: 64, message: fault });
  }
  assert.deepEqual(
    readFreeExercises(Buffer.from('\ufeff[]'), () => ''),
    { rows: 0, exercises: [], refused: [] },
  );
});
