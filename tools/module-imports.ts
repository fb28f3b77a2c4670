/** Lists what a module imports, in every form the language has. */
import type { ImportDeclaration, Node, SourceFile } from 'typescript/unstable/ast';
import {
  isCallExpression,
  isExportAssignment,
  isExportDeclaration,
  isExternalModuleReference,
  isIdentifier,
  isImportDeclaration,
  isImportEqualsDeclaration,
  isImportTypeNode,
  isLiteralTypeNode,
  isNamedImports,
  isNoSubstitutionTemplateLiteral,
  isStringLiteral,
  SyntaxKind,
} from 'typescript/unstable/ast';

export interface ModuleImport {
  /** Undefined when the specifier is computed at run time. */
  readonly specifier: string | undefined;
  readonly line: number;
  /** True when type stripping leaves nothing of it: `import type`, `export type` and `import('x').T`. */
  readonly isErased: boolean;
  /** The value names the import binds in the module; empty for a type, a re-export or a dynamic import. */
  readonly names: readonly string[];
}

export function listImports(module: SourceFile): ModuleImport[] {
  const imports: ModuleImport[] = [];
  const add = (at: Node, source: Node | undefined, isErased = false, names: readonly string[] = []): void => {
    imports.push({ specifier: readText(source), line: lineOf(module, at), isErased, names });
  };
  const visit = (node: Node): void => {
    if (isImportDeclaration(node)) {
      const isErased = node.importClause?.phaseModifier === SyntaxKind.TypeKeyword;
      add(node, node.moduleSpecifier, isErased, listValueNames(node));
    } else if (isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
      add(node, node.moduleSpecifier, node.isTypeOnly);
    } else if (isImportEqualsDeclaration(node) && isExternalModuleReference(node.moduleReference)) {
      add(node, node.moduleReference.expression, node.isTypeOnly, [node.name.text]);
    } else if (isImportTypeNode(node)) {
      add(node, isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, true);
    } else if (isCallExpression(node)) {
      const callee = node.expression;
      const isRequire = isIdentifier(callee) && callee.text === 'require';
      if (callee.kind === SyntaxKind.ImportKeyword || isRequire) add(node, node.arguments[0]);
    }
    node.forEachChild(visit);
  };
  visit(module);
  return imports;
}

/** A file that only passes on what others define: every statement is an import or an export of an imported name. */
export function isBarrel(module: SourceFile): boolean {
  const statements = [...module.statements];
  const exports = statements.filter(
    (node) => isExportDeclaration(node) || (isExportAssignment(node) && isIdentifier(node.expression)),
  );
  return (
    exports.length > 0 && statements.every((node) => isImportDeclaration(node) || exports.includes(node))
  );
}

/** Where an imported name is first used outside the import itself: an offset, or Infinity when it never is. */
export function findFirstMention(module: SourceFile, names: ReadonlySet<string>): number {
  let first = Number.POSITIVE_INFINITY;
  const visit = (node: Node): void => {
    if (isImportDeclaration(node)) return;
    if (isIdentifier(node) && names.has(node.text)) first = Math.min(first, node.getStart(module));
    node.forEachChild(visit);
  };
  visit(module);
  return first;
}

export function lineOf(module: SourceFile, node: Node): number {
  return module.getLineAndCharacterOfPosition(node.getStart(module)).line + 1;
}

function readText(node: Node | undefined): string | undefined {
  if (node === undefined) return undefined;
  return isStringLiteral(node) || isNoSubstitutionTemplateLiteral(node) ? node.text : undefined;
}

function listValueNames(node: ImportDeclaration): string[] {
  const clause = node.importClause;
  if (clause === undefined || clause.phaseModifier === SyntaxKind.TypeKeyword) return [];
  const names = clause.name === undefined ? [] : [clause.name.text];
  const bindings = clause.namedBindings;
  if (bindings === undefined) return names;
  if (!isNamedImports(bindings)) return [...names, bindings.name.text];
  return [
    ...names,
    ...bindings.elements.filter((element) => !element.isTypeOnly).map((element) => element.name.text),
  ];
}
