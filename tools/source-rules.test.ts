// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the scratch files are source text, placeholders included.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { listFaults, readScratchTree } from './scratch-tree.ts';
import { findProseFaults, findSourceFaults } from './source-rules.ts';

function check(files: Readonly<Record<string, string>>): string[] {
  return listFaults(findSourceFaults(readScratchTree(files)));
}

describe('source rules', () => {
  it('refuses type assertions in both spellings, and allows as const and satisfies', () => {
    assert.deepEqual(check({ 'a.ts': 'export const a = value as string;' }), ['a.ts:1 assertion']);
    assert.deepEqual(check({ 'a.ts': '\nexport const a = <string>value;' }), ['a.ts:2 assertion']);
    assert.deepEqual(check({ 'a.ts': 'export const a = (x as unknown as A) as const;' }), [
      'a.ts:1 assertion',
      'a.ts:1 assertion',
    ]);
    assert.deepEqual(
      check({ 'a.ts': 'export const a = [1] as const;\nexport const b = 1 satisfies number;' }),
      [],
    );
    assert.deepEqual(
      check({ 'a.ts': "import { x as y } from 'a';\nimport * as z from 'b';\nexport { y as default };" }),
      [],
    );
    assert.deepEqual(check({ 'a.ts': '// value as string\nexport const a = "value as string";' }), []);
  });

  it('accepts an assertion only beside a comment that says why it holds', () => {
    const said = '// parser: the schema above has just validated it';
    assert.deepEqual(check({ 'a.ts': `export const a = value as Body; ${said}` }), []);
    assert.deepEqual(check({ 'a.ts': `${said}\nexport const a = value as Body;` }), []);
    assert.deepEqual(check({ 'a.ts': `${said}\n\nexport const a = value as Body;` }), ['a.ts:3 assertion']);
    assert.deepEqual(check({ 'a.ts': 'export const a = value as Body; // parser:' }), ['a.ts:1 assertion']);
    assert.deepEqual(check({ 'a.test.ts': 'export const a = value as Body;' }), ['a.test.ts:1 assertion']);
  });

  it('refuses anything but ASCII in source files, and lets prose be', () => {
    assert.deepEqual(check({ 'a.ts': '\n// 2 \u2013 3' }), ['a.ts:2 ascii']);
    assert.deepEqual(check({ 'a.sql': '-- \u{1F600}', 'a.test.ts': "'\u00e9';" }), [
      'a.sql:1 ascii',
      'a.test.ts:1 ascii',
    ]);
    assert.deepEqual(check({ 'a.ts': "export const a = '\\u00e9\t~';\r\n", 'a.md': '\u2013' }), []);
  });

  it('refuses names that say nothing, for files and folders alike', () => {
    for (const path of [
      'http/utils.ts',
      'common/a.ts',
      'user-helpers.ts',
      'users.types.ts',
      'session-manager.mjs',
      'misc.sql',
    ]) {
      assert.deepEqual(check({ [path]: '' }), [`${path}:1 file-name`]);
    }
    assert.deepEqual(check({ 'content-types.ts': '', 'commons.md': '', 'typescript.ts': '' }), []);
  });

  it('warns past 300 lines of code and refuses past 500', () => {
    const severityOf = (path: string, lines: number): string | undefined => {
      const [fault] = findSourceFaults(readScratchTree({ [path]: '//\n'.repeat(lines) }));
      return fault && (fault.severity ?? 'failure');
    };
    assert.equal(severityOf('a.ts', 300), undefined);
    assert.equal(severityOf('a.ts', 301), 'warning');
    assert.equal(severityOf('a.ts', 500), 'warning');
    assert.equal(severityOf('a.ts', 501), 'failure');
    assert.equal(severityOf('a.md', 501), undefined);
  });

  it('refuses folders of one machine outside tests', () => {
    for (const path of [
      '/work/main',
      '/root/.npmrc',
      '/tmp/a',
      '/home/anna/a',
      '/Users/anna',
      '"/work"',
      'file:///tmp/a',
    ]) {
      const isUrl = path.startsWith('file:');
      assert.deepEqual(check({ 'a.json': `\n${path}` }), isUrl ? [] : ['a.json:2 machine-path'], path);
    }
    assert.deepEqual(
      check({ 'a.md': 'dist/tmp/a ${dir}/work ../root/a /workers /tmp /root is /home /api/work /rooted.ts' }),
      [],
    );
    assert.deepEqual(check({ 'a.test.ts': '// /tmp/a' }), []);
  });

  it('refuses the address of a package registry', () => {
    assert.deepEqual(check({ '.npmrc': 'fund=false\nregistry=https://a.example/\n' }), [
      '.npmrc:2 registry-host',
    ]);
    assert.deepEqual(check({ 'a.md': 'from registry.npmjs.org' }), ['a.md:1 registry-host']);
    assert.deepEqual(check({ 'a.mjs': '// https://artifactory.a.example/npm' }), ['a.mjs:1 registry-host']);
    assert.deepEqual(check({ 'a.ts': 'registry.metrics();\nexport const registry = 1;' }), []);
  });

  it('refuses a lockfile with addresses or without integrity, and accepts workspace links', () => {
    const lock = (...members: string[]): Record<string, string> => ({
      'package-lock.json': `{\n  "packages": {\n    "node_modules/a": {\n${members.map((line) => `      ${line}`).join(',\n')}\n    }\n  }\n}`,
    });
    assert.deepEqual(check(lock('"version": "1.0.0"', '"integrity": "sha512-AA=="')), []);
    assert.deepEqual(check(lock('"resolved": "server"', '"link": true')), []);
    assert.deepEqual(check(lock('"resolved": "https://a.example/a.tgz"', '"integrity": "sha512-AA=="')), [
      'package-lock.json:4 lockfile',
    ]);
    assert.deepEqual(check(lock('"version": "1.0.0"')), ['package-lock.json:5 lockfile']);
    const [fault] = findSourceFaults(readScratchTree(lock('"version": "1.0.0"', '"optional": true')));
    assert.equal(fault?.severity, 'warning');
  });

  it('refuses a relative link in a document that leads nowhere', () => {
    const prose = (text: string): string[] =>
      listFaults(
        findProseFaults(readScratchTree({ 'docs/a.md': text, 'README.md': '', 'docs/decisions/b.md': '' })),
      );
    assert.deepEqual(
      prose('[r](../README.md) [d](decisions/) [s](#here) [u](https://a.example/x) [b](decisions/b.md#c)'),
      [],
    );
    assert.deepEqual(prose('\n[gone](gone.md)'), ['docs/a.md:2 link']);
    assert.deepEqual(prose('```\n[gone](gone.md)\n```\n'), []);
  });
});
