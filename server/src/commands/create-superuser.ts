import { text } from 'node:stream/consumers';
import { isEmail, normalizeEmail } from '../email.ts';
import { exitStatus, StartupError } from '../startup-error.ts';
import { createSuperuserAccount } from './administrator.ts';
import type { Command, CommandContext } from './command.ts';
import { withDatabase } from './database-access.ts';

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
    if (!isEmail(email)) {
      throw new StartupError(
        exitStatus.wrongUsage,
        `--email must be an e-mail such as ada@example.org, not ${email}.`,
      );
    }
    const password = typeof given === 'string' ? given : await readPassword(context);
    const length = [...password].length;
    if (length < 8 || length > 128) {
      throw new StartupError(exitStatus.wrongUsage, 'The password needs 8 to 128 characters.');
    }
    await withDatabase(context, ({ config, address }) =>
      createSuperuserAccount(config, address, { email, password, isPrimaryAdministrator: false }),
    );
    context.stdout.write(`Created the superuser ${normalizeEmail(email)}.\n`);
  },
};

async function readPassword({ stdin, stderr }: CommandContext): Promise<string> {
  if (stdin.isTTY) stderr.write('Password (it will be visible; end with Enter and Ctrl-D): ');
  return (await text(stdin)).replace(/\r?\n$/, '');
}
