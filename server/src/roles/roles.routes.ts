import { RoleChange, RoleMessage, RoleTarget } from '@irontrack/contract/roles.ts';
import type { App } from '../http/app.ts';
import { readCaller } from '../http/guard.ts';
import { readSource } from '../http/request-source.ts';
import type { Roles } from './roles.ts';

const roleProblems = ['user-not-found', 'own-account', 'primary-administrator', 'inactive-user'] as const;

export function mountRoles(app: App, { roles }: { roles: Roles }): void {
  app.patch(
    '/api/v1/roles/:email/assign',
    {
      config: { access: 'superuser' },
      schema: {
        tags: ['Roles'],
        summary: 'Give a user a role',
        problems: [...roleProblems, 'role-already-assigned'],
        params: RoleTarget,
        body: RoleChange,
        response: { 200: RoleMessage },
      },
    },
    async (request) => ({
      message: await roles.assign(
        readCaller(request),
        request.params.email,
        request.body.roleSlug,
        readSource(request),
      ),
    }),
  );

  app.patch(
    '/api/v1/roles/:email/revoke',
    {
      config: { access: 'superuser' },
      schema: {
        tags: ['Roles'],
        summary: 'Take a role from a user, who falls back to the default role',
        problems: [...roleProblems, 'last-superuser', 'role-mismatch'],
        params: RoleTarget,
        body: RoleChange,
        response: { 200: RoleMessage },
      },
    },
    async (request) => ({
      message: await roles.revoke(
        readCaller(request),
        request.params.email,
        request.body.roleSlug,
        readSource(request),
      ),
    }),
  );
}
