import { type Static, Type } from '@sinclair/typebox';
import { Email, GivenPassword, Id, NewPassword, PersonName, strict } from './fields.ts';
import { RoleSlugField } from './roles.ts';

/** Browser flow under `/api/v1/access` and token flow under `/api/v1/auth`. */

export const SignUp = Type.Object(
  { email: Email, password: NewPassword, confirmPassword: Type.String(), name: Type.Optional(PersonName) },
  { ...strict, title: 'SignUp' },
);
export type SignUp = Static<typeof SignUp>;

export const SignIn = Type.Object({ email: Email, password: GivenPassword }, { ...strict, title: 'SignIn' });
export type SignIn = Static<typeof SignIn>;

/** RFC 6749 section 4.3.2; everything but the two names is accepted and ignored. */
export const SignInForm = Type.Object(
  {
    username: Type.String({ minLength: 1, maxLength: 254, description: 'The e-mail, any case.' }),
    password: GivenPassword,
    grant_type: Type.Optional(Type.String()),
    scope: Type.Optional(Type.String()),
    client_id: Type.Optional(Type.String()),
    client_secret: Type.Optional(Type.String()),
  },
  { ...strict, title: 'SignInForm' },
);

export const PasswordUpdate = Type.Object(
  { currentPassword: GivenPassword, newPassword: NewPassword },
  { ...strict, title: 'PasswordUpdate' },
);

export const Me = Type.Object(
  {
    id: Id,
    name: Type.Union([Type.String(), Type.Null()]),
    email: Type.String(),
    isActive: Type.Boolean(),
    isSuperuser: Type.Boolean(),
    roleSlug: RoleSlugField,
  },
  { title: 'Me' },
);
export type Me = Static<typeof Me>;

export const Registration = Type.Object(
  { email: Email, password: NewPassword, name: Type.Optional(PersonName) },
  { ...strict, title: 'Registration' },
);
export type Registration = Static<typeof Registration>;

export const RefreshRequest = Type.Object(
  { refresh_token: Type.String({ minLength: 1, maxLength: 512 }) },
  { ...strict, title: 'RefreshRequest' },
);

/** RFC 6749 section 5.1. */
export const TokenPair = Type.Object(
  {
    access_token: Type.String(),
    refresh_token: Type.String(),
    token_type: Type.Literal('Bearer'),
    expires_in: Type.Integer({ description: 'Seconds until the access token expires.' }),
  },
  { title: 'TokenPair' },
);
export type TokenPair = Static<typeof TokenPair>;

export const ProfileChange = Type.Object(
  { name: Type.Optional(PersonName) },
  { ...strict, title: 'ProfileChange' },
);
export type ProfileChange = Static<typeof ProfileChange>;
