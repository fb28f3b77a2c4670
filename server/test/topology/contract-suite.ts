/** The contract tests through a whole deployment: what the run needs, and which tests cannot be part of it and why. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeCertificate } from './nginx.ts';

/** Whole files, by their name in server/test/contract. */
export const leftOutFiles: Readonly<Record<string, string>> = {};

/** Single tests by the file's name and theirs. */
export const leftOutTests: Readonly<Record<string, readonly string[]>> = {};

export interface TopologyRun {
  /** For the processes of the tests. */
  environment: Readonly<Record<string, string>>;
  /** Names of tests to leave out. */
  leftOut: readonly RegExp[];
}

/** @param folder lives as long as the run */
export function prepareTopologyRun(folder: string): TopologyRun {
  const certificates = join(folder, 'certificates');
  mkdirSync(certificates);
  const certificate = makeCertificate(certificates);
  return {
    environment: {
      TEST_TOPOLOGY: 'nginx',
      TEST_TOPOLOGY_CERTIFICATE: certificates,
      NODE_EXTRA_CA_CERTS: certificate.chain,
    },
    leftOut: Object.values(leftOutTests)
      .flat()
      .map((name) => new RegExp(`^${RegExp.escape(name)}$`)),
  };
}
