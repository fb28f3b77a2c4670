/** The embedded PostgreSQL of a service that `startServing` started, for what is put in past its API. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import postgres from 'postgres';

/** @param dataDir the folder of the service under measurement */
export function connectToService(dataDir: string): postgres.Sql {
  // Lines 4 and 5 of what PostgreSQL keeps there are its port and the folder of its socket.
  const lines = readFileSync(join(dataDir, 'data', 'postgresql', 'postmaster.pid'), 'utf8').split('\n');
  const options = { user: 'irontrack', database: 'irontrack', max: 1, fetch_types: false };
  return postgres({ ...options, host: lines[4] ?? '', port: Number(lines[3]), onnotice: () => undefined });
}
