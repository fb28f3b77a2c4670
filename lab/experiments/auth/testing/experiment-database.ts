/** A database of its own for a test file, in the PostgreSQL of the test run. */
import { randomBytes } from 'node:crypto';
import { connect } from '../service.ts';

/** @throws Error outside of the test run, which starts the PostgreSQL */
export async function openExperimentDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  const given: unknown = JSON.parse(process.env.IRONTRACK_TEST_DATABASE ?? '{}');
  const read = (name: string): string => String(Reflect.get(Object(given), name) ?? '');
  const url = new URL(`postgres://localhost:${read('port')}/${read('database')}`);
  url.username = read('user');
  url.password = read('password');
  if (read('host').startsWith('/')) url.searchParams.set('host', read('host'));
  else url.hostname = read('host');
  const name = `lab_experiment_${randomBytes(6).toString('hex')}`;
  const admin = connect(url.href, 1);
  await admin`create database ${admin(name)}`;
  const own = new URL(url);
  own.pathname = `/${name}`;
  return {
    url: own.href,
    async drop() {
      await admin`drop database ${admin(name)} with (force)`;
      await admin.end();
    },
  };
}
