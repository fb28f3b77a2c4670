import { type Static, Type } from '@sinclair/typebox';
import {
  Email,
  GivenInstant,
  Id,
  Instant,
  Paging,
  PersonName,
  pageMembers,
  SortOrder,
  strict,
} from './fields.ts';
import { RoleSlugField } from './roles.ts';

export const User = Type.Object(
  {
    id: Id,
    name: Type.Union([Type.String(), Type.Null()]),
    email: Type.String(),
    isActive: Type.Boolean(),
    isSuperuser: Type.Boolean({ description: 'True exactly when the role is `superuser`.' }),
    roleName: Type.String(),
    roleSlug: RoleSlugField,
    createdAt: Instant,
    updatedAt: Instant,
  },
  { title: 'User' },
);
export type User = Static<typeof User>;

/** Passwords that an administrator sets have no composition rule: they are often generated. */
const AdministratorSetPassword = Type.String({ minLength: 6, maxLength: 128 });

export const UserCreation = Type.Object(
  {
    email: Email,
    password: AdministratorSetPassword,
    name: Type.Optional(PersonName),
    isActive: Type.Optional(Type.Boolean({ default: true })),
    isSuperuser: Type.Optional(Type.Boolean({ default: false })),
  },
  { ...strict, title: 'UserCreation' },
);
export type UserCreation = Static<typeof UserCreation>;

export const UserChange = Type.Object(
  {
    name: Type.Optional(PersonName),
    email: Type.Optional(Email),
    password: Type.Optional(AdministratorSetPassword),
    isActive: Type.Optional(Type.Boolean()),
    isSuperuser: Type.Optional(Type.Boolean()),
  },
  { ...strict, title: 'UserChange' },
);
export type UserChange = Static<typeof UserChange>;

export const UserQuery = Type.Object(
  {
    ...Paging,
    searchString: Type.Optional(Type.String({ maxLength: 255 })),
    orderBy: Type.Union([Type.Literal('name'), Type.Literal('email'), Type.Literal('createdAt')], {
      default: 'name',
    }),
    sortOrder: SortOrder,
    isActive: Type.Optional(Type.Boolean()),
    createdBefore: Type.Optional(GivenInstant),
    createdAfter: Type.Optional(GivenInstant),
  },
  strict,
);
export type UserQuery = Static<typeof UserQuery>;

export const UserPage = Type.Object({ items: Type.Array(User), ...pageMembers }, { title: 'UserPage' });
export type UserPage = Static<typeof UserPage>;

export const IdParams = Type.Object({ id: Id }, strict);
