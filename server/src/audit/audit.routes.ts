import { AuditPage, AuditQuery } from '@irontrack/contract/audit.ts';
import type { App } from '../http/app.ts';
import { readSource } from '../http/request-source.ts';
import type { Audit } from './audit.ts';

export function mountAudit(app: App, { audit }: { audit: Audit }): void {
  app.get(
    '/api/v1/audit',
    {
      config: { access: 'superuser', cost: 'costly' },
      schema: {
        tags: ['Audit'],
        summary: 'Read the audit trail, newest first',
        querystring: AuditQuery,
        response: { 200: AuditPage },
      },
    },
    (request) => audit.list(request.query, readSource(request)),
  );
}
