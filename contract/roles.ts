import { type Static, Type } from '@sinclair/typebox';
import { Email, strict } from './fields.ts';

/** Every role there is. The first is what a new account gets. */
export const roles = {
  'application-access': { name: 'Application Access' },
  superuser: { name: 'Superuser' },
  'fitness-trainer': { name: 'Fitness Trainer' },
} as const;

export type RoleSlug = keyof typeof roles;
export const defaultRole = 'application-access' satisfies RoleSlug;

export const RoleSlugField = Type.Union(
  [Type.Literal('application-access'), Type.Literal('superuser'), Type.Literal('fitness-trainer')],
  { title: 'RoleSlug' },
);

export const AssignableRole = Type.Union([Type.Literal('superuser'), Type.Literal('fitness-trainer')]);
export type AssignableRole = Static<typeof AssignableRole>;

export const RoleChange = Type.Object({ roleSlug: AssignableRole }, { ...strict, title: 'RoleChange' });
export const RoleTarget = Type.Object({ email: Email }, strict);
export const RoleMessage = Type.Object({ message: Type.String() }, { title: 'Message' });
