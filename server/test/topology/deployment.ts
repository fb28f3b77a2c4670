/**
 * A whole deployment on this machine as deploy/ has it: PgBouncer and Valkey, nodes of several workers on Unix domain
 * sockets, and nginx in front of them over TLS. The database is the caller's.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseConnection } from '../../src/database/embedded.ts';
import { type Pgbouncer, startPgbouncer } from '../support/pgbouncer.ts';
import { openValkey, type TestValkey } from '../support/valkey.ts';
import { type Certificate, type Nginx, startNginx } from './nginx.ts';
import { databaseUrlOf, type Node, startNode } from './nodes.ts';

const nodesOfADeployment = 2;
const workersOfANode = '2';
export const administratorPassword = 'Correct-Horse-7';

/** What all nodes on a database share. */
export interface Surroundings {
  pgbouncer: Pgbouncer;
  valkey: TestValkey;
  close(): Promise<void>;
}

/** @param pgbouncerSettings lines that count over those of deploy/ */
export async function startSurroundings(
  database: DatabaseConnection,
  pgbouncerSettings: Readonly<Record<string, string>> = {},
): Promise<Surroundings> {
  // Where they listen and whom they let in is not as in deploy/.
  const ofPgbouncer = shippedSettings(
    'pgbouncer/pgbouncer.ini',
    /^([a-z_]+) = (.*)$/gm,
    /^(listen|unix|auth)_/,
  );
  const ofValkey = shippedSettings('valkey/valkey.conf', /^([a-z][a-z-]*) (.*)$/gm, /^(bind|port)$/);
  const started: { close(): Promise<void> }[] = [];
  const close = async () => {
    await Promise.all(started.map((program) => program.close()));
  };
  try {
    const pgbouncer = await startPgbouncer(database, { settings: { ...ofPgbouncer, ...pgbouncerSettings } });
    started.push(pgbouncer);
    const valkey = await openValkey(ofValkey);
    started.push(valkey);
    return { pgbouncer, valkey, close };
  } catch (error) {
    await close();
    throw error;
  }
}

export interface DeploymentOptions {
  /** Exists, is this deployment's own, and short enough for the paths of sockets in it. */
  folder: string;
  /** May be migrated or not. */
  database: DatabaseConnection;
  surroundings: Surroundings;
  certificate: Certificate;
  /** Of every node, over what a deployment has. */
  environment?: Readonly<Record<string, string>>;
  /** As for `startNginx`. */
  replace?: Readonly<Record<string, string>>;
  /** Nodes write to `node.log` in their folders rather than into memory. */
  keepsLogs?: boolean;
}

export interface Deployment {
  /** Such as https://localhost:43210. */
  url: string;
  nodes: readonly Node[];
  nginx: Nginx;
  /** nginx first, so that nobody asks a node that is gone. */
  stop(): Promise<void>;
}

/** Starts nodes and nginx. What has started is stopped again when something does not. */
export async function startDeployment(options: DeploymentOptions): Promise<Deployment> {
  const { folder, database, surroundings, certificate } = options;
  const environment = {
    WORKERS: workersOfANode,
    DATABASE_URL: databaseUrlOf(surroundings.pgbouncer.address),
    DATABASE_DIRECT_URL: databaseUrlOf(database),
    VALKEY_URL: surroundings.valkey.url,
    ADMIN_PASSWORD: administratorPassword,
    // One key for all nodes of a deployment.
    SIGNING_KEY: makeSigningKey(),
    ...options.environment,
  };
  const nodes: Node[] = [];
  try {
    const names = Array.from({ length: nodesOfADeployment }, (_, index) => String(index + 1));
    const starts = await Promise.allSettled(
      names.map(async (name) => {
        const home = join(folder, name);
        mkdirSync(home);
        const log = options.keepsLogs === true ? join(home, 'node.log') : undefined;
        nodes.push(await startNode(home, environment, log));
      }),
    );
    for (const start of starts) if (start.status === 'rejected') throw start.reason;
    const home = join(folder, 'nginx');
    mkdirSync(home);
    const nginx = await startNginx({
      folder: home,
      nodes: nodes.map(({ socket }) => `unix:${socket}`),
      certificate,
      ...(options.replace === undefined ? {} : { replace: options.replace }),
    });
    return {
      url: nginx.url,
      nodes,
      nginx,
      async stop() {
        await nginx.stop();
        await stopAll(nodes);
      },
    };
  } catch (error) {
    await stopAll(nodes);
    throw error;
  }
}

async function stopAll(nodes: readonly Node[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.stop()));
}

/** The lines of a file of deploy/ but those whose names are left out. */
function shippedSettings(file: string, line: RegExp, leftOut: RegExp): Record<string, string> {
  const text = readFileSync(new URL(`../../../deploy/${file}`, import.meta.url), 'utf8');
  const pairs = [...text.matchAll(line)].map(([, name = '', value = '']) => [
    name,
    value === '""' ? '' : value,
  ]);
  return Object.fromEntries(pairs.filter(([name = '']) => !leftOut.test(name) && name !== 'irontrack'));
}

/** A private key as SIGNING_KEY takes it. */
function makeSigningKey(): string {
  return JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }));
}
