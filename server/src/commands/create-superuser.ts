import { text } from 'node:stream/consumers';
import { readConfig } from '../config.ts';
import { migrate } from '../database/migrations.ts';
import { exitStatus, StartupError } from '../startup-error.ts';
import { openDatabaseAccess } from './addresses.ts';
import { createSuperuserAccount } from './administrator.ts';
import type { Command, CommandContext } from './command.ts';

export const createSuperuser: Command = {
  summary: 'Create an account with the role superuser.',
  options: {
    email: { type: 'string', help: 'The e-mail to sign in with.' },
    password: {
      type: 'string',
      help: 'The password. Read from standard input when absent, which keeps it out of ps.',
    },
  },
  async run(values, context) {
    const { email, password: given } = values;
    if (typeof email !== 'string') {
      throw new StartupError(exitStatus.wrongUsage, 'Name the e-mail: --email ada@example.org.');
    }
    const password = typeof given === 'string' ? given : await readPassword(context);
    const length = [...password].length;
    if (length < 8 || length > 128) {
      throw new StartupError(exitStatus.wrongUsage, 'The password needs 8 to 128 characters.');
    }
    const config = readConfig(context.environment, context.stdout.isTTY === true);
    const database = await openDatabaseAccess(config, 'join', (sentence) =>
      context.stderr.write(`${sentence}\n`),
    );
    try {
      await migrate(database.directAddress);
      await createSuperuserAccount(config, database.address, {
        email,
        password,
        isPrimaryAdministrator: false,
      });
    } finally {
      await database.stop();
    }
    context.stdout.write(`Created the superuser ${email.toLowerCase()}.\n`);
  },
};

async function readPassword({ stdin, stderr }: CommandContext): Promise<string> {
  if (stdin.isTTY) stderr.write('Password (it will be visible; end with Enter and Ctrl-D): ');
  return (await text(stdin)).replace(/\r?\n$/, '');
}
