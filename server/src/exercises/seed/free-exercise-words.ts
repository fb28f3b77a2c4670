/** The words of free-exercise-db and ours for the same things. Maps, since the words come from a stranger's file. */
import type { SeedEquipment, SeedExercise, SeedMuscleGroup, SeedTag } from './vocabulary.ts';

export const muscleOf: ReadonlyMap<string, SeedMuscleGroup> = new Map([
  ['abdominals', 'abdominals'],
  ['abductors', 'abductors'],
  ['adductors', 'adductors'],
  ['biceps', 'biceps'],
  ['calves', 'calves'],
  ['chest', 'chest'],
  ['forearms', 'forearms'],
  ['glutes', 'glutes'],
  ['hamstrings', 'hamstrings'],
  ['lats', 'lats'],
  ['lower back', 'lower back'],
  ['middle back', 'upper back'],
  ['neck', 'neck'],
  ['quadriceps', 'quadriceps'],
  ['shoulders', 'shoulders'],
  ['traps', 'traps'],
  ['triceps', 'triceps'],
]);

export const equipmentOf: ReadonlyMap<string, SeedEquipment> = new Map([
  ['bands', 'resistance band'],
  ['barbell', 'barbell'],
  ['body only', 'body weight'],
  ['cable', 'cable machine'],
  ['dumbbell', 'dumbbell'],
  ['e-z curl bar', 'ez curl bar'],
  ['exercise ball', 'stability ball'],
  ['foam roll', 'foam roller'],
  ['kettlebells', 'kettlebell'],
  ['machine', 'machine'],
  ['medicine ball', 'medicine ball'],
  ['other', 'other'],
]);

// Theirs and ours are the same here.
export const forces = ['pull', 'push', 'static'] as const;
export const levels = ['beginner', 'intermediate', 'expert'] as const;
export const mechanics = ['compound', 'isolation'] as const;
export const categories = [
  'strength',
  'stretching',
  'plyometrics',
  'strongman',
  'powerlifting',
  'cardio',
  'olympic weightlifting',
] as const;

const tagOfMuscle: Readonly<Record<SeedMuscleGroup, SeedTag>> = {
  abdominals: 'core',
  abductors: 'lower body',
  adductors: 'lower body',
  biceps: 'upper body',
  calves: 'lower body',
  chest: 'upper body',
  forearms: 'upper body',
  glutes: 'lower body',
  hamstrings: 'lower body',
  'hip flexors': 'lower body',
  lats: 'upper body',
  'lower back': 'core',
  neck: 'upper body',
  obliques: 'core',
  quadriceps: 'lower body',
  shoulders: 'upper body',
  traps: 'upper body',
  triceps: 'upper body',
  'upper back': 'upper body',
};

const tagsOfCategory: Readonly<Record<SeedExercise['category'], readonly SeedTag[]>> = {
  strength: [],
  stretching: ['mobility'],
  plyometrics: ['explosive'],
  strongman: ['full body'],
  powerlifting: [],
  cardio: ['conditioning'],
  'olympic weightlifting': ['explosive', 'full body'],
};

/** They have no tags, and a system exercise of ours has at least one: what muscles, category and equipment tell. */
export function tagsOf(
  category: SeedExercise['category'],
  primary: readonly SeedMuscleGroup[],
  equipment: readonly SeedEquipment[],
): SeedExercise['tags'] {
  const [first, ...others] = new Set<SeedTag>([
    ...primary.map((muscle) => tagOfMuscle[muscle]),
    ...tagsOfCategory[category],
    ...(equipment.includes('body weight') ? (['bodyweight'] as const) : []),
  ]);
  return first === undefined ? ['full body'] : [first, ...others];
}
