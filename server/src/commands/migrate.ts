import type { Command } from './command.ts';
import { withDatabase } from './database-access.ts';

export const migrateCommand: Command = {
  summary: 'Bring the database schema up to date. Safe to run from several machines at once.',
  options: {},
  async run(_values, context) {
    await withDatabase(context, async ({ applied }) => {
      const outcome = applied.length === 0 ? 'The schema is up to date.' : `Applied ${applied.join(', ')}.`;
      context.stdout.write(`${outcome}\n`);
    });
  },
};
