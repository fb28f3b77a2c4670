import { readConfig } from '../config.ts';
import { migrate } from '../database/migrations.ts';
import { openDatabaseAccess } from './addresses.ts';
import type { Command } from './command.ts';

export const migrateCommand: Command = {
  summary: 'Bring the database schema up to date. Safe to run from several machines at once.',
  options: {},
  async run(_values, context) {
    const config = readConfig(context.environment, context.stdout.isTTY === true);
    const database = await openDatabaseAccess(config, 'join', (sentence) =>
      context.stderr.write(`${sentence}\n`),
    );
    try {
      const applied = await migrate(database.directAddress);
      const outcome = applied.length === 0 ? 'The schema is up to date.' : `Applied ${applied.join(', ')}.`;
      context.stdout.write(`${outcome}\n`);
    } finally {
      await database.stop();
    }
  },
};
