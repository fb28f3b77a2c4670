/** What is true of all measurements of one experiment: plan, place, machine, versions, commit. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { readMachine } from '../result/machine.ts';
import { readSource } from '../result/source.ts';
import { labVersion } from '../version.ts';
import type { Placement } from './placement.ts';
import type { Plan } from './plan.ts';
import { type Head, makeHead } from './state.ts';

/** Of the services that are measured, wherever the command is typed. */
const repository = fileURLToPath(new URL('../../../', import.meta.url));

/** @param databaseUrl undefined for the PostgreSQL that comes with our server */
export async function describeHead(
  plan: Plan,
  place: Placement,
  databaseUrl: string | undefined,
): Promise<Head> {
  const config = JSON.stringify([plan, place, databaseUrl ?? '']);
  const fastify = createRequire(import.meta.url).resolve('fastify/package.json');
  const manifest: unknown = JSON.parse(readFileSync(fastify, 'utf8'));
  const isManifest = typeof manifest === 'object' && manifest !== null;
  return makeHead({
    labVersion,
    startedAt: new Date().toISOString(),
    configHash: createHash('sha256').update(config).digest('hex').slice(0, 16),
    isQuick: plan.isQuick,
    machine: readMachine(),
    source: await readSource(repository),
    serverCores: place.server,
    generatorCores: place.generator,
    databaseCores: place.database,
    versions: {
      Node: process.versions.node,
      OpenSSL: process.versions.openssl,
      Fastify: isManifest ? String(Reflect.get(manifest, 'version')) : 'unknown',
      lab: labVersion,
    },
  });
}
