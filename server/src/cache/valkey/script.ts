import { createHash } from 'node:crypto';

/** A script that the server runs as one step. */
export interface Script {
  readonly source: string;
  /** SHA-1 of the source, by which the server knows it. */
  readonly sha: string;
}

export function createScript(source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') };
}
