import { type Static, Type } from '@sinclair/typebox';
import { Id, Instant, Paging, SortOrder, strict } from './fields.ts';

/** The exercise catalog: three reference lists (muscle groups, equipment, tags) and the exercises that name them. */

/** PostgreSQL's integer. */
const CatalogId = Type.Integer({ minimum: 1, maximum: 2_147_483_647 });

/** Characters are code points, counted again once white space was made one. */
const CatalogName = Type.String({ minLength: 3, maxLength: 100 });

const searchString = Type.Optional(Type.String({ maxLength: 255 }));

export const CatalogItem = Type.Object({ id: Type.Integer(), name: Type.String() }, { title: 'CatalogItem' });
export type CatalogItem = Static<typeof CatalogItem>;

export const CatalogItems = Type.Array(CatalogItem);

export const CatalogItemInput = Type.Object({ name: CatalogName }, { ...strict, title: 'CatalogItemInput' });

export const CatalogItemParams = Type.Object({ id: CatalogId }, strict);

export const CatalogQuery = Type.Object(
  {
    searchString,
    orderBy: Type.Union([Type.Literal('id'), Type.Literal('name')], { default: 'name' }),
    sortOrder: SortOrder,
  },
  strict,
);
export type CatalogQuery = Static<typeof CatalogQuery>;

const DifficultyLevel = Type.Union([
  Type.Literal('beginner'),
  Type.Literal('intermediate'),
  Type.Literal('expert'),
]);

const Category = Type.Union([
  Type.Literal('strength'),
  Type.Literal('stretching'),
  Type.Literal('plyometrics'),
  Type.Literal('strongman'),
  Type.Literal('powerlifting'),
  Type.Literal('cardio'),
  Type.Literal('olympic weightlifting'),
]);

const Force = Type.Union([Type.Literal('pull'), Type.Literal('push'), Type.Literal('static'), Type.Null()]);

const Mechanic = Type.Union([Type.Literal('compound'), Type.Literal('isolation'), Type.Null()]);

// A list of types, not a union of schemas: a union would say only that none of its branches fits.
const nullableText = Type.Unsafe<string | null>({ type: ['string', 'null'] });

export const Exercise = Type.Object(
  {
    id: Id,
    name: Type.String(),
    primaryMuscles: CatalogItems,
    secondaryMuscles: CatalogItems,
    force: Force,
    difficultyLevel: DifficultyLevel,
    mechanic: Mechanic,
    equipment: CatalogItems,
    category: Category,
    instructions: nullableText,
    imagePathStart: nullableText,
    imagePathEnd: nullableText,
    tags: CatalogItems,
    slug: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'Of system exercises only; made from the name.',
    }),
    createdBy: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'Whose custom exercise it is; null for a system exercise.',
    }),
    createdAt: Instant,
    updatedAt: Instant,
  },
  { title: 'Exercise' },
);
export type Exercise = Static<typeof Exercise>;

const mostIds = 50;
const Ids = Type.Array(CatalogId, { minItems: 1, maxItems: mostIds });
const NullableIds = Type.Unsafe<number[] | null>({
  type: ['array', 'null'],
  items: CatalogId,
  minItems: 1,
  maxItems: mostIds,
});

const Instructions = Type.String({ minLength: 1, maxLength: 10_000 });
const NullableInstructions = Type.Unsafe<string | null>({
  type: ['string', 'null'],
  minLength: 1,
  maxLength: 10_000,
});

const NullableImagePath = Type.Unsafe<string | null>({
  type: ['string', 'null'],
  pattern: '^/[a-z0-9_-]+/[a-z0-9_-]+\\.(jpg|jpeg|png|webp)$',
  maxLength: 255,
  description: 'Relative to CDN_URL, such as `/squat/0.jpg`.',
});

const shared = {
  name: CatalogName,
  primaryMuscles: Ids,
  secondaryMuscles: Type.Optional(NullableIds),
  force: Type.Optional(Force),
  difficultyLevel: DifficultyLevel,
  mechanic: Type.Optional(Mechanic),
  equipment: Type.Optional(NullableIds),
  category: Category,
};

const ownFields = { ...shared, instructions: Type.Optional(NullableInstructions) };

const systemFields = {
  ...shared,
  instructions: Instructions,
  tags: Ids,
  imagePathStart: Type.Optional(NullableImagePath),
  imagePathEnd: Type.Optional(NullableImagePath),
};

export const OwnExerciseCreation = Type.Object(ownFields, { ...strict, title: 'OwnExerciseCreation' });
export type OwnExerciseCreation = Static<typeof OwnExerciseCreation>;

export const OwnExerciseChange = Type.Partial(Type.Object(ownFields), {
  ...strict,
  title: 'OwnExerciseChange',
});
export type OwnExerciseChange = Static<typeof OwnExerciseChange>;

export const SystemExerciseCreation = Type.Object(systemFields, {
  ...strict,
  title: 'SystemExerciseCreation',
});
export type SystemExerciseCreation = Static<typeof SystemExerciseCreation>;

export const SystemExerciseChange = Type.Partial(Type.Object(systemFields), {
  ...strict,
  title: 'SystemExerciseChange',
});
export type SystemExerciseChange = Static<typeof SystemExerciseChange>;

export const ExerciseCriteria = Type.Object(
  {
    name: Type.Optional(Type.String({ maxLength: 100 })),
    // A name's: Unicode decomposes one character into 18 at most (U+FDFA).
    slug: Type.Optional(Type.String({ maxLength: 1800 })),
  },
  strict,
);
export type ExerciseCriteria = Static<typeof ExerciseCriteria>;

const ExerciseOrder = Type.Union([Type.Literal('name'), Type.Literal('createdAt')]);
const optional = {
  sortOrder: Type.Union([Type.Literal('asc'), Type.Literal('desc')]),
  ids: Type.Array(CatalogId, { maxItems: mostIds }),
  categories: Type.Array(Category, { maxItems: 7 }),
  levels: Type.Array(DifficultyLevel, { maxItems: 3 }),
};

/** Lists are repeated parameters of which any may match. */
export const ExerciseQuery = Type.Object(
  {
    scope: Type.Union([Type.Literal('all'), Type.Literal('user'), Type.Literal('system')], {
      default: 'all',
    }),
    searchString,
    ...Paging,
    cursor: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1024,
        description: '`next_cursor` of the page before; `currentPage` does not count then.',
      }),
    ),
    orderBy: Type.Union(ExerciseOrder.anyOf, { default: 'name' }),
    sortOrder: SortOrder,
    primaryMuscles: Type.Optional(optional.ids),
    equipment: Type.Optional(optional.ids),
    tags: Type.Optional(optional.ids),
    category: Type.Optional(optional.categories),
    difficultyLevel: Type.Optional(optional.levels),
    // The same once more, as clients of the original may write them.
    search_string: searchString,
    current_page: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    page_size: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
    order_by: Type.Optional(ExerciseOrder),
    sort_order: Type.Optional(optional.sortOrder),
    primary_muscles: Type.Optional(optional.ids),
    difficulty_level: Type.Optional(optional.levels),
  },
  strict,
);
export type ExerciseQuery = Static<typeof ExerciseQuery>;

export const ExercisePage = Type.Object(
  {
    items: Type.Array(Exercise),
    limit: Type.Integer(),
    offset: Type.Optional(Type.Integer({ description: 'Absent on a page asked for by `cursor`.' })),
    total: Type.Optional(Type.Integer({ description: 'Absent on a page asked for by `cursor`.' })),
    next_cursor: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'Asks for the page after this one; null on the last.',
    }),
  },
  { title: 'ExercisePage' },
);
export type ExercisePage = Static<typeof ExercisePage>;
