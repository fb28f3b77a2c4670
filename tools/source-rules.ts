/**
 * The house rules that Biome does not have. What is allowed, what is not and how an exemption is written is said in
 * docs/decisions/0001-house-rules.md; Biome itself keeps `any`, `!`, `console` and `process.env` (biome.json).
 */
import { posix } from 'node:path';
import type { Node, SourceFile } from 'typescript/unstable/ast';
import { isAsExpression, isIdentifier, isTypeAssertion, isTypeReferenceNode } from 'typescript/unstable/ast';
import { type Fault, reportFaults } from './fault.ts';
import { lineOf } from './module-imports.ts';
import { isCodeFile, isTestFile, readSourceTree, repositoryRoot, type SourceTree } from './source-tree.ts';

const lengthToAskWhy = 300;
const lengthToSplit = 500;

/** Source that runs or is parsed by a machine; prose may spell a name as its owner does. */
const asciiFile = /\.(?:ts|tsx|mts|js|mjs|cjs|jsx|json|sql|sh|css|html)$|(?:^|\/)\.ci\//;

const forbiddenNames: ReadonlySet<string> = new Set(
  ['utils helpers common misc manager types', 'util helper managers type'].flatMap((names) =>
    names.split(' '),
  ),
);

/**
 * Folders of one machine or one person. The bare folders every system has (the temporary one, the one of root) are
 * not meant, nor is a path that continues another one, such as `dist/tmp/a`.
 */
const machinePath = /(?<![\w.})\]*/-])\/(?:work(?![\w.-])|(?:root|tmp|home|Users)\/[\w.-]+)/;

const registryHost =
  /\bregistry\.[\w-]+\.[a-z]{2,}|\/\/[^/\s'"]*(?:artifactory|verdaccio|nexus)|^\s*registry\s*=/im;

export function findSourceFaults(tree: SourceTree): Fault[] {
  const faults: Fault[] = [];
  for (const [file, text] of tree.texts) {
    if (file === 'package-lock.json') faults.push(...checkLockfile(file, text));
    else faults.push(...checkText(file, text));
  }
  for (const [file, module] of tree.modules) faults.push(...checkAssertions(file, module));
  return faults;
}

function checkText(file: string, text: string): Fault[] {
  const faults: Fault[] = [];
  const lines = text.split('\n');
  for (const [index, content] of lines.entries()) {
    const report = (rule: string, message: string): void => {
      faults.push({ file, line: index + 1, rule, message });
    };
    const foreign = asciiFile.test(file) ? /[^\t\r\x20-\x7e]/u.exec(content)?.[0] : undefined;
    if (foreign !== undefined) report('ascii', `${spellOut(foreign)} is not ASCII; write it as an escape`);
    if (isTestFile(file)) continue;
    const path = machinePath.exec(content)?.[0];
    if (path !== undefined)
      report('machine-path', `${path} is a folder of one machine; make it relative or a setting`);
    if (registryHost.test(content))
      report('registry-host', 'names a package registry; npm settings belong to the user');
  }
  return [...faults, ...checkFileName(file), ...checkLength(file, lines)];
}

function spellOut(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

/** `http/utils.ts`, `common/a.ts`, `user-helpers.ts` and `users.types.ts`; a name such as `content-types.ts` is one idea. */
function checkFileName(file: string): Fault[] {
  const words = file.split('/').flatMap((segment) => {
    const parts = segment.split('.');
    const endings = parts
      .map((part) => part.split('-').at(-1) ?? '')
      .filter((word) => !/^types?$/.test(word));
    return [...parts, ...endings];
  });
  const word = words.find((candidate) => forbiddenNames.has(candidate));
  if (word === undefined) return [];
  const message = `"${word}" says nothing about what is inside; name the idea, or keep the function with its caller`;
  return [{ file, line: 1, rule: 'file-name', message }];
}

function checkLength(file: string, lines: readonly string[]): Fault[] {
  const length = lines.at(-1) === '' ? lines.length - 1 : lines.length;
  if (!isCodeFile(file) || length <= lengthToAskWhy) return [];
  const fault = {
    file,
    line: length,
    rule: 'length',
    message: `${length} lines; split where a second reason to change begins`,
  };
  return length > lengthToSplit ? [fault] : [{ ...fault, severity: 'warning' }];
}

/**
 * An assertion tells the compiler to stop looking. It is allowed where a value has just been parsed, and a comment
 * on the same line or the one above says why it holds: `// parser: <reason>`.
 */
function checkAssertions(file: string, module: SourceFile): Fault[] {
  const faults: Fault[] = [];
  const lines = module.text.split('\n');
  const visit = (node: Node): void => {
    if ((isAsExpression(node) && !isConst(node.type)) || isTypeAssertion(node)) {
      const start = lineOf(module, node);
      const end = module.getLineAndCharacterOfPosition(node.end).line + 1;
      const isExplained = [start - 1, start, end].some((line) =>
        /\/\/ parser: \S.{8,}/.test(lines[line - 1] ?? ''),
      );
      if (!isExplained) {
        const message =
          'narrow the value with a check, or parse it and say "// parser: <why it holds>" on that line';
        faults.push({ file, line: start, rule: 'assertion', message });
      }
    }
    node.forEachChild(visit);
  };
  visit(module);
  return faults;
}

function isConst(type: Node): boolean {
  return isTypeReferenceNode(type) && isIdentifier(type.typeName) && type.typeName.text === 'const';
}

/**
 * Every package is pinned by its integrity and none by an address, so that any mirror of the registry serves it. A
 * mirror that lacks the binaries of another platform leaves those without integrity: worth knowing, no failure.
 */
function checkLockfile(file: string, text: string): Fault[] {
  const faults: Fault[] = [];
  let name = '';
  let members = new Set<string>();
  for (const [index, content] of text.split('\n').entries()) {
    const at = { file, line: index + 1, rule: 'lockfile' };
    name = /^ {4}"(.*)": \{/.exec(content)?.[1] ?? name;
    const member = /^ {6}"(link|optional|integrity)": (?:true|"sha512-)/.exec(content)?.[1];
    if (member !== undefined) members.add(member);
    if (/"resolved": "[^"]*:/.test(content)) {
      faults.push({ ...at, message: '"resolved" is an address; .npmrc leaves it out, run npm install' });
    }
    if (!/^ {4}\}/.test(content)) continue;
    if (name.includes('node_modules/') && !members.has('link') && !members.has('integrity')) {
      const fault = { ...at, message: `${name} has no sha512 integrity` };
      faults.push(members.has('optional') ? { ...fault, severity: 'warning' } : fault);
    }
    members = new Set();
  }
  return faults;
}

/** A relative link in the documents leads to a file that exists. */
export function findProseFaults(tree: SourceTree): Fault[] {
  const faults: Fault[] = [];
  for (const [file, text] of tree.texts) {
    if (!file.endsWith('.md')) continue;
    // Blank out fenced examples, keeping the line numbers.
    const prose = text.replace(/^```.*?^```/gms, (block) => block.replace(/[^\n]/g, ''));
    for (const [index, content] of prose.split('\n').entries()) {
      for (const [, link = ''] of content.matchAll(/\]\(([^)\s]+)\)/g)) {
        const path = link.split('#', 1)[0] ?? '';
        if (path === '' || /^[a-z]+:/.test(path)) continue;
        const target = posix.normalize(posix.join(posix.dirname(file), path)).replace(/\/$/, '');
        if (tree.texts.has(target) || [...tree.texts.keys()].some((known) => known.startsWith(`${target}/`)))
          continue;
        faults.push({
          file,
          line: index + 1,
          rule: 'link',
          message: `${target} does not exist; correct the link`,
        });
      }
    }
  }
  return faults;
}

if (import.meta.main) {
  const tree = readSourceTree(repositoryRoot);
  const isProse = process.argv[2] === 'prose';
  reportFaults(isProse ? findProseFaults(tree) : findSourceFaults(tree), tree.texts.size);
}
