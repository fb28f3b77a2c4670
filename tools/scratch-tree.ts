/** Small source trees for the tests of the checks. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Fault } from './fault.ts';
import { readSourceTree, type SourceTree } from './source-tree.ts';

/** Writes the files into a temporary folder, reads them as the checks do, and removes the folder again. */
export function readScratchTree(files: Readonly<Record<string, string>>): SourceTree {
  const root = mkdtempSync(join(tmpdir(), 'irontrack-tree-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return readSourceTree(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

/** `file:line rule` of each fault: what a test compares. */
export function listFaults(faults: readonly Fault[]): string[] {
  return faults.map((fault) => `${fault.file}:${fault.line} ${fault.rule}`).toSorted();
}
