/** `irontrack-lab planner`: how PostgreSQL plans queries under several values of a setting, and what each costs. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import postgres from 'postgres';
import { exitStatus, LabError } from '../exit-status.ts';
import { checkTargetAddress } from '../load/address-guard.ts';
import { readQueries } from '../planner/read-queries.ts';
import { renderStudy, studyPlanner } from '../planner/study.ts';
import type { LabCommand } from './lab-command.ts';
import { readFlag, readNumber, readText } from './option-values.ts';

export const planner: LabCommand = {
  summary: 'Study how PostgreSQL plans queries under several values of a setting: plan, time, pages.',
  usage: '<queries.sql> --database postgres://... [options]',
  options: {
    database: {
      type: 'string',
      help: 'The database, postgres://user@host/name or with ?host=/folder/of/socket. Every query is rolled back.',
    },
    set: {
      type: 'string',
      help: 'The setting and its values. Default random_page_cost=1.0,1.1,3.0,4.0.',
    },
    rounds: { type: 'string', help: 'Measured rounds, after one that warms up. Default 9.' },
    out: {
      type: 'string',
      short: 'o',
      help: 'Write the tables to this Markdown file instead of the terminal.',
    },
    'i-own-this-target': {
      type: 'boolean',
      help: 'Allow a database that is neither on this machine nor on a private network.',
    },
  },
  async run([file], values, context) {
    if (file === undefined) {
      throw new LabError(exitStatus.tool, 'Name a file of queries, each after a line "-- name: ...".');
    }
    const queries = readQueries(resolve(context.cwd, file));
    const address = readText(values, 'database');
    if (address === undefined || !/^postgres(?:ql)?:\/\//.test(address) || !URL.canParse(address)) {
      throw new LabError(exitStatus.tool, 'Give the database with --database postgres://user@host/name.');
    }
    const url = new URL(address);
    // As libpq has it: ?host=/run/postgresql is the folder of a Unix socket.
    const socketFolder = url.searchParams.get('host') ?? undefined;
    if (socketFolder === undefined) {
      await checkTargetAddress(new URL(address.replace(/^postgres(?:ql)?:/, 'http:')), {
        iOwnThisTarget: readFlag(values, 'i-own-this-target'),
      });
    }
    url.searchParams.delete('host');
    const { setting, choices } = readSetting(readText(values, 'set') ?? 'random_page_cost=1.0,1.1,3.0,4.0');
    const rounds = readNumber(values, 'rounds', { least: 1, most: 1000, whole: true, unit: 'rounds' }) ?? 9;
    const client = postgres(url.href, {
      max: 1,
      onnotice: () => undefined,
      connect_timeout: 5,
      ...(socketFolder === undefined ? {} : { host: socketFolder }),
    });
    try {
      const rows = await studyPlanner(client, queries, {
        setting,
        values: choices,
        rounds,
        interrupted: context.interrupted,
        onRound: (round) =>
          context.stderr.write(round === 0 ? 'Warming up.\n' : `Round ${round} of ${rounds}.\n`),
      });
      const text = renderStudy(rows, setting);
      const out = readText(values, 'out');
      if (out === undefined) context.stdout.write(text);
      else writeFileSync(resolve(context.cwd, out), text);
      return exitStatus.ok;
    } catch (error) {
      if (error instanceof LabError || context.interrupted.aborted) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new LabError(exitStatus.tool, `PostgreSQL refused: ${reason}`, { cause: error });
    } finally {
      await client.end({ timeout: 1 });
    }
  },
};

function readSetting(text: string): { setting: string; choices: string[] } {
  const [, setting, list] = /^([a-z_]{1,60})=([^\s]+)$/.exec(text) ?? [];
  const choices = list?.split(',').filter((value) => value !== '') ?? [];
  if (setting === undefined || choices.length === 0) {
    throw new LabError(
      exitStatus.tool,
      '--set takes a setting and its values, such as random_page_cost=1.1,4.0.',
    );
  }
  return { setting, choices };
}
