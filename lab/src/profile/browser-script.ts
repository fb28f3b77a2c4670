/** Makes the TypeScript of a page into the script that a browser runs; there is no build step. */
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';

/** The text of a file beside the page's script. */
export function readBrowserFile(name: string): string {
  return readFileSync(new URL(`browser/${name}`, import.meta.url), 'utf8');
}

/** Takes the types out, in place; the script may import types only. */
export function readBrowserScript(name: string): string {
  const { emitWarning } = process;
  // Node calls the function experimental once per process; that is no news to who asked for a page.
  process.emitWarning = () => undefined;
  try {
    return stripTypeScriptTypes(readBrowserFile(name));
  } finally {
    process.emitWarning = emitWarning;
  }
}
