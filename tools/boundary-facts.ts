/** The arrows of the project as facts; tools/boundaries.ts reads them. A change here is a decision: record it. */

/** Which workspaces each workspace may import. Nothing imports server or lab: they are started as processes. */
export const workspaceArrows: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  server: ['contract'],
  sdk: ['contract'],
  console: ['contract', 'sdk'],
  lab: ['contract'],
  tools: [],
};

/**
 * Single files that may be imported against the arrows, and by whom. The launchers ship inside the server package,
 * where the `irontrack` command needs them; the test runner starts one PostgreSQL for all test files,
 * and knows which of them run through a whole deployment. What a test does for seconds and a measurement at length, such
 * as the load of a soak, is with the test. A soak has heaps collected by the lab's client of the inspector.
 */
export const sharedFiles: Readonly<Record<string, readonly string[]>> = {
  'lab/src/profile/inspector.ts': ['tools'],
  'server/bin/pinned-node.mjs': ['tools', 'lab'],
  'server/bin/irontrack.mjs': ['tools'],
  'server/src/database/embedded.ts': ['tools'],
  'server/test/topology/contract-suite.ts': ['tools'],
  'server/test/topology/deployment.ts': ['tools'],
  'server/test/topology/nginx.ts': ['tools'],
  'server/test/topology/processes.ts': ['tools'],
  'server/test/topology/refusals.ts': ['tools'],
  'server/test/topology/soak/load.ts': ['tools'],
  'server/test/topology/soak/readings.ts': ['tools'],
};

/** The domains of the server in the order app.ts mounts them; each may call only those before it. */
export const domainOrder: readonly string[] = [
  'audit',
  'roles',
  'sessions',
  'accounts',
  'users',
  'exercises',
  'organizations',
  'api-keys',
  'events',
  'webhooks',
  'system',
];

/** What every domain stands on and what knows no domain; so do the single files beside them, such as config.ts. */
export const groundFolders: readonly string[] = [
  'http',
  'database',
  'cache',
  'crypto',
  'telemetry',
  'workers',
];

/** Who builds things and hands them to each other. */
export const wiring: readonly string[] = ['app', 'commands'];

/** The process around the wiring: it opens and closes, and meets no domain. */
export const processFile = 'main';

/** Files that load what their user names on the command line, so that the import cannot be known beforehand. */
export const loadersOfUserFiles: readonly string[] = [
  'lab/src/micro/load-benchmarks.ts',
  'lab/src/scenarios/load-scenario.ts',
];
