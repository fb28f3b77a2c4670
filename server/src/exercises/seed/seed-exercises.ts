/** Every exercise of our own seed, body part by body part. */
import { armExercises } from './arms.ts';
import { backExercises } from './back.ts';
import { chestExercises } from './chest.ts';
import { conditioningExercises } from './conditioning.ts';
import { coreExercises } from './core.ts';
import { heavyExercises } from './heavy.ts';
import { hipExercises } from './hips.ts';
import { legExercises } from './legs.ts';
import { shoulderExercises } from './shoulders.ts';
import { stretchExercises } from './stretches.ts';
import type { SeedExercise } from './vocabulary.ts';

export const seedExercises: readonly SeedExercise[] = [
  ...chestExercises,
  ...backExercises,
  ...shoulderExercises,
  ...armExercises,
  ...legExercises,
  ...hipExercises,
  ...coreExercises,
  ...heavyExercises,
  ...conditioningExercises,
  ...stretchExercises,
];
