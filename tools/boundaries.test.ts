// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the scratch files are source text, placeholders included.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findBoundaryFaults } from './boundaries.ts';
import { listFaults, readScratchTree } from './scratch-tree.ts';
import { readSourceTree, repositoryRoot } from './source-tree.ts';

const manifests = {
  'package.json': '{"name": "root", "devDependencies": {"fast-check": "1.0.0"}}',
  'contract/package.json': '{"name": "@irontrack/contract", "dependencies": {"typebox": "1.0.0"}}',
  'server/package.json':
    '{"name": "irontrack", "dependencies": {"@irontrack/contract": "0.1.0", "@node-rs/argon2": "2.0.0"}}',
  'sdk/package.json': '{"name": "@irontrack/sdk", "dependencies": {"@irontrack/contract": "0.1.0"}}',
  'console/package.json': '{"name": "@irontrack/console", "dependencies": {"@irontrack/sdk": "0.1.0"}}',
  'lab/package.json': '{"name": "@irontrack/lab", "dependencies": {"uplot": "1.0.0"}}',
  'lab/rival/package.json': '{"name": "rival", "dependencies": {"express": "5.0.0"}}',
};

/** Files that many rows import; none of them is at fault. */
const neighbours = {
  'contract/errors.ts': 'export const errors = 1;',
  'server/src/config.ts': 'export const config = 1;',
  'server/src/database/pool.ts': 'export const pool = 1;',
  'server/src/roles/roles.ts': 'export const roles = 1;',
  'server/src/roles/roles.sql.ts': 'export const findRole = 1;',
  'server/src/users/users.ts': 'export const users = 1;',
  'server/src/sessions/sessions.sql.ts': 'export const findSession = 1;',
  'sdk/client.ts': 'export const client = 1;',
};

interface Row {
  readonly fact: string;
  readonly file: string;
  readonly text: string;
  /** The rule that is broken, or undefined when the file is right. */
  readonly rule?: string;
  readonly line?: number;
  readonly also?: Readonly<Record<string, string>>;
}

const session = 'server/src/sessions/sessions.ts';

const rows: readonly Row[] = [
  {
    fact: 'lets the contract import a package that it declares',
    file: 'contract/a.ts',
    text: "import { Type } from 'typebox';\nexport const a = Type;",
  },
  {
    fact: 'refuses a contract that imports the server',
    file: 'contract/a.ts',
    text: "\nexport { config } from '../server/src/config.ts';\nexport const a = 1;",
    rule: 'arrow',
    line: 2,
  },
  {
    fact: 'lets the server import the contract by its package name',
    file: 'server/src/http/a.ts',
    text: "import { errors } from '@irontrack/contract/errors.ts';\nexport const a = errors;",
  },
  {
    fact: 'refuses a server that reaches into the contract by path',
    file: 'server/src/http/a.ts',
    text: "import { errors } from '../../../contract/errors.ts';\nexport const a = errors;",
    rule: 'package-name',
  },
  {
    fact: 'refuses a server that imports the sdk',
    file: 'server/src/http/a.ts',
    text: "import type { client } from '@irontrack/sdk/client.ts';\nexport const a: typeof client = 1;",
    rule: 'arrow',
  },
  {
    fact: 'refuses tools that import the server',
    file: 'tools/a.mjs',
    text: "await import('../server/src/config.ts');",
    rule: 'arrow',
  },
  {
    fact: 'lets tools import the launcher that it shares with the server',
    file: 'tools/a.mjs',
    text: "import '../server/bin/pinned-node.mjs';",
    also: { 'server/bin/pinned-node.mjs': '' },
  },
  {
    fact: 'refuses a lab that imports the server by its package name',
    file: 'lab/src/a.ts',
    text: "import 'irontrack/src/config.ts';",
    rule: 'arrow',
  },
  {
    fact: 'lets the console import the sdk',
    file: 'console/src/a.tsx',
    text: "import { client } from '@irontrack/sdk/client.ts';\nexport const a = <p>import 'irontrack' {client}</p>;",
  },
  {
    fact: 'refuses a workspace that imports itself by name',
    file: 'server/src/http/a.ts',
    text: "import 'irontrack/src/config.ts';",
    rule: 'package-name',
  },
  {
    fact: 'lets the ground import the ground',
    file: 'server/src/http/a.ts',
    text: "import { pool } from '../database/pool.ts';\nimport { config } from '../config.ts';\nexport const a = [pool, config];",
  },
  {
    fact: 'refuses ground that imports a domain, even only for its type',
    file: 'server/src/http/a.ts',
    text: "export type A = import('../roles/roles.ts').roles;",
    rule: 'ground',
  },
  {
    fact: 'refuses a root file such as config.ts that imports a domain',
    file: 'server/src/startup.ts',
    text: "import { roles } from './roles/roles.ts';\nexport const a = roles;",
    rule: 'ground',
  },
  {
    fact: 'lets a domain call one mounted before it through its main file',
    file: session,
    text: "import { roles } from '../roles/roles.ts';\nexport const a = roles;",
  },
  {
    fact: 'refuses a domain that reaches past the main file of another',
    file: session,
    text: "import { findRole } from '../roles/roles.sql.ts';\nexport const a = findRole;",
    rule: 'main-file',
  },
  {
    fact: 'lets a domain use its own files',
    file: session,
    text: "import { findSession } from './sessions.sql.ts';\nexport const a = findSession;",
  },
  {
    fact: 'refuses a domain that calls one mounted after it',
    file: session,
    text: "import { users } from '../users/users.ts';\nexport const a = users;",
    rule: 'mount-order',
  },
  {
    fact: 'holds a domain that is a single file to the same rules',
    file: 'server/src/audit.ts',
    text: "import { roles } from './roles/roles.ts';\nexport const a = roles;",
    rule: 'mount-order',
  },
  {
    fact: 'refuses a domain that imports the wiring',
    file: session,
    text: "import { app } from '../app.ts';\nexport const a = app;",
    also: { 'server/src/app.ts': 'export const app = 1;' },
    rule: 'wiring',
  },
  {
    fact: 'lets a command wire any file',
    file: 'server/src/commands/serve.ts',
    text: "import { findRole } from '../roles/roles.sql.ts';\nexport const a = findRole;",
  },
  {
    fact: 'refuses a main.ts that meets a domain',
    file: 'server/src/main.ts',
    text: "import { roles } from './roles/roles.ts';\nexport const a = roles;",
    rule: 'wiring',
  },
  {
    fact: 'lets a test wire what it wants and use development packages',
    file: 'server/src/http/a.test.ts',
    text: "import 'fast-check';\nimport '../roles/roles.sql.ts';",
  },
  {
    fact: 'refuses production code that imports a test',
    file: session,
    text: "import { row } from '../users/users.test.ts';\nexport const a = row;",
    also: { 'server/src/users/users.test.ts': 'export const row = 1;' },
    rule: 'test',
  },
  {
    fact: 'refuses a folder of the server that the facts do not know',
    file: 'server/src/lib/a.ts',
    text: 'export const a = 1;',
    rule: 'place',
    line: 1,
  },
  {
    fact: 'refuses code in a top folder that the facts do not know',
    file: 'scripts/a.mjs',
    text: 'export const a = 1;',
    rule: 'place',
    line: 1,
  },
  {
    fact: 'refuses a package that the workspace does not declare',
    file: 'server/src/crypto/a.ts',
    text: "import { Type } from 'typebox/value';\nexport const a = Type;",
    rule: 'undeclared-package',
  },
  {
    fact: 'refuses a development package in production code',
    file: 'server/src/crypto/a.ts',
    text: "import 'fast-check';",
    rule: 'undeclared-package',
  },
  {
    fact: 'accepts what a folder with a manifest of its own declares there',
    file: 'lab/rival/server.mjs',
    text: "import 'express';",
  },
  {
    fact: 'refuses in such a folder what only the workspace around it declares',
    file: 'lab/rival/server.mjs',
    text: "import 'uplot';",
    rule: 'undeclared-package',
  },
  {
    fact: 'accepts declared scoped packages and what Node brings',
    file: 'server/src/crypto/a.ts',
    text: "import { hash } from '@node-rs/argon2';\nimport fs from 'node:fs/promises';\nexport const a = [hash, fs];",
  },
  {
    fact: 'refuses an import without its ending',
    file: session,
    text: "import '../roles/roles';",
    rule: 'missing',
  },
  {
    fact: 'refuses an import computed at run time',
    file: session,
    text: 'export const a = (name: string) => import(`../${name}.ts`);',
    rule: 'computed-import',
  },
  {
    fact: 'sees a dynamic import with a plain template',
    file: 'server/src/http/a.ts',
    text: 'export const a = `${await import(`../roles/roles.ts`)}`;',
    rule: 'ground',
  },
  {
    fact: 'sees require and import = require',
    file: 'server/src/http/a.ts',
    text: "import a = require('../roles/roles.ts');\nexport const b = a;",
    rule: 'ground',
  },
  {
    fact: 'takes no notice of comments, strings, templates and regular expressions',
    file: 'server/src/http/a.ts',
    text: [
      "// import { users } from '../users/users.ts';",
      "/* export * from '../users/users.ts'; */",
      `export const a = "import '../users/users.ts'";`,
      "export const b = `${a} import '../users/users.ts'; // ${`import('../users/users.ts')`}`;",
      "export const c = /import '..\\/users\\/users.ts'/;",
      "export const d = { import: (path: string) => path }.import('../users/users.ts');",
      'export const e = import.meta.url;',
    ].join('\n'),
  },
  {
    fact: 'refuses a file that only re-exports',
    file: 'server/src/http/a.ts',
    text: "import { config } from '../config.ts';\nexport * from '../database/pool.ts';\nexport { config };",
    rule: 'barrel',
    line: 1,
  },
  {
    fact: 'accepts a file that re-exports and defines something',
    file: 'server/src/http/a.ts',
    text: "export { pool } from '../database/pool.ts';\nexport const a = 1;",
  },
  {
    fact: 'refuses files that import each other in a circle',
    file: 'server/src/http/a.ts',
    text: "import { b } from './b.ts';\nexport const a = b;",
    also: {
      'server/src/http/b.ts':
        "import type { C } from './c.ts';\nexport { c as b } from './c.ts';\nexport type B = C;",
      'server/src/http/c.ts': "import { a } from './a.ts';\nexport const c = a;\nexport type C = 1;",
    },
    rule: 'cycle',
  },
  {
    fact: 'refuses a circle of types between folders',
    file: 'server/src/database/a.ts',
    text: "import type { B } from '../http/b.ts';\nexport type A = B;",
    also: { 'server/src/http/b.ts': "export type B = import('../database/a.ts').A;" },
    rule: 'cycle',
  },
  {
    fact: 'lets a main file and its statements name the types of each other',
    file: session,
    text: "import { endSession } from './sessions.end.ts';\nexport const a = endSession;\nexport type A = 1;",
    also: {
      'server/src/sessions/sessions.end.ts':
        "import type { A } from './sessions.ts';\nexport const endSession: A = 1;",
    },
  },
];

describe('boundaries', () => {
  for (const { fact, file, text, rule, line = 1, also = {} } of rows) {
    it(fact, () => {
      const tree = readScratchTree({ ...manifests, ...neighbours, ...also, [file]: text });
      const expected = rule === undefined ? [] : [`${file}:${line} ${rule}`];
      assert.deepEqual(listFaults(findBoundaryFaults(tree)), expected);
    });
  }

  it('refuses an app.ts that mounts in another order than the table', () => {
    const routes = {
      'server/src/roles/roles.routes.ts': 'export const mountRoles = () => {};',
      'server/src/users/users.routes.ts': 'export const mountUsers = () => {};',
    };
    const imports = [
      "import { mountUsers } from './users/users.routes.ts';",
      "import { mountRoles } from './roles/roles.routes.ts';",
    ];
    const check = (...calls: string[]): string[] => {
      const app = [...imports, ...calls].join('\n');
      const tree = readScratchTree({ ...manifests, ...neighbours, ...routes, 'server/src/app.ts': app });
      return listFaults(findBoundaryFaults(tree));
    };
    assert.deepEqual(check('mountRoles();', 'mountUsers();'), []);
    assert.deepEqual(check('mountUsers();', 'mountRoles();'), ['server/src/app.ts:3 mount-order']);
    assert.deepEqual(check('mountRoles();'), ['server/src/app.ts:1 unmounted']);
  });

  it('refuses an app.ts that builds the main files in another order than the table', () => {
    const check = (...calls: string[]): string[] => {
      const app = [
        "import { users } from './users/users.ts';",
        "import { roles } from './roles/roles.ts';",
        ...calls,
      ];
      const tree = readScratchTree({ ...manifests, ...neighbours, 'server/src/app.ts': app.join('\n') });
      return listFaults(findBoundaryFaults(tree));
    };
    assert.deepEqual(check('export const a = [roles, users];'), []);
    assert.deepEqual(check('export const a = [users, roles];'), ['server/src/app.ts:3 mount-order']);
  });

  it('says where, which rule and what to do instead', () => {
    const files = {
      [session]: "import { findRole } from '../roles/roles.sql.ts';\nexport const a = findRole;",
    };
    const [fault] = findBoundaryFaults(readScratchTree({ ...manifests, ...neighbours, ...files }));
    assert.equal(fault?.message, 'sessions may call roles only through server/src/roles/roles.ts');
  });

  it('reads this repository and does not skip its own code', () => {
    const { modules } = readSourceTree(repositoryRoot);
    assert.ok(modules.has('tools/boundaries.ts'));
    assert.ok(![...modules.keys()].some((path) => path.includes('node_modules')));
  });
});
