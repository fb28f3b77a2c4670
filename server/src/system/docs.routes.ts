import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Type } from '@sinclair/typebox';
import type { App } from '../http/app.ts';

/**
 * The documentation page: Swagger UI, served from here with no content delivery network. The files come out of
 * @fastify/swagger-ui, which ships them; swagger-ui-dist itself brings an install script that reports home.
 */
export function mountDocs(app: App): void {
  // One copy for all answers: the largest file has 1.7 MB, and a copy a request would add up.
  const files = new Map<string, Promise<Buffer>>();
  const readOnce = (path: string): Promise<Buffer> => {
    const file = files.get(path) ?? readFile(path);
    files.set(path, file);
    return file;
  };
  const folder = join(
    dirname(createRequire(import.meta.url).resolve('@fastify/swagger-ui/package.json')),
    'static',
  );
  for (const { url, contentType, file, text } of pages) {
    app.get(
      url,
      {
        config: { access: 'public', cost: 'cheap' },
        schema: { hide: true, response: { 200: Type.Unsafe<string | Buffer>(Type.String()) } },
      },
      async (_request, reply) => {
        const body = text ?? (await readOnce(join(folder, file)));
        return reply
          .type(contentType)
          .header('content-security-policy', contentSecurityPolicy)
          .header('cache-control', text === undefined ? 'public, max-age=3600' : 'no-cache')
          .send(body);
      },
    );
  }
}

// Swagger UI sets style attributes and draws its icons from data: addresses. Its scripts are files of ours alone.
const contentSecurityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const html = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>IronTrack API</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <div id="documentation"></div>
    <noscript>This page needs JavaScript. The document itself is at <a href="/api/v1/openapi.json">/api/v1/openapi.json</a>.</noscript>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`;

const start = `SwaggerUIBundle({
  url: '/api/v1/openapi.json',
  dom_id: '#documentation',
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
`;

interface Page {
  url: string;
  contentType: string;
  /** In the package's folder, unless there is a text. */
  file: string;
  text?: string;
}

const pages: readonly Page[] = [
  { url: '/docs', contentType: 'text/html; charset=utf-8', file: '', text: html },
  { url: '/docs/start.js', contentType: 'text/javascript; charset=utf-8', file: '', text: start },
  {
    url: '/docs/swagger-ui-bundle.js',
    contentType: 'text/javascript; charset=utf-8',
    file: 'swagger-ui-bundle.js',
  },
  { url: '/docs/swagger-ui.css', contentType: 'text/css; charset=utf-8', file: 'swagger-ui.css' },
];
