/** Every command of the lab. */
import { check } from './check.ts';
import { compare } from './compare.ts';
import { doctor } from './doctor.ts';
import { knee } from './knee.ts';
import type { LabCommand } from './lab-command.ts';
import { micro } from './micro.ts';
import { peers } from './peers.ts';
import { planner } from './planner.ts';
import { profile } from './profile.ts';
import { report } from './report.ts';
import { reproduce } from './reproduce.ts';
import { run } from './run.ts';
import { runtimes } from './runtimes.ts';
import { sample } from './sample.ts';
import { save } from './save.ts';

/** In the order a reader needs them. */
export const commands: ReadonlyMap<string, LabCommand> = new Map([
  ['run', run],
  ['profile', profile],
  ['sample', sample],
  ['compare', compare],
  ['knee', knee],
  ['micro', micro],
  ['save', save],
  ['check', check],
  ['report', report],
  ['planner', planner],
  ['peers', peers],
  ['runtimes', runtimes],
  ['reproduce', reproduce],
  ['doctor', doctor],
]);
