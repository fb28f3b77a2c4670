/** The words of the catalog: what a fresh installation knows of muscles, equipment and tags. */

export const seedMuscleGroups = [
  'abdominals',
  'abductors',
  'adductors',
  'biceps',
  'calves',
  'chest',
  'forearms',
  'glutes',
  'hamstrings',
  'hip flexors',
  'lats',
  'lower back',
  'neck',
  'obliques',
  'quadriceps',
  'shoulders',
  'traps',
  'triceps',
  'upper back',
] as const;

export const seedEquipment = [
  'ab wheel',
  'barbell',
  'battle ropes',
  'bench',
  'body weight',
  'box',
  'cable machine',
  'dip bars',
  'dumbbell',
  'elliptical trainer',
  'ez curl bar',
  'foam roller',
  'jump rope',
  'kettlebell',
  'landmine',
  'machine',
  'medicine ball',
  'other',
  'pull-up bar',
  'resistance band',
  'rowing machine',
  'sandbag',
  'sled',
  'smith machine',
  'squat rack',
  'stability ball',
  'stationary bike',
  'suspension trainer',
  'trap bar',
  'treadmill',
  'weight plate',
] as const;

export const seedTags = [
  'anti-rotation',
  'balance',
  'bodyweight',
  'carry',
  'conditioning',
  'core',
  'explosive',
  'full body',
  'grip',
  'hinge',
  'home workout',
  'horizontal pull',
  'horizontal push',
  'lower body',
  'lunge',
  'mobility',
  'posture',
  'rotation',
  'squat',
  'unilateral',
  'upper body',
  'vertical pull',
  'vertical push',
  'warm-up',
] as const;

export type SeedMuscleGroup = (typeof seedMuscleGroups)[number];
export type SeedEquipment = (typeof seedEquipment)[number];
export type SeedTag = (typeof seedTags)[number];

/** One system exercise, with its related rows by name. */
export interface SeedExercise {
  name: string;
  primary: readonly [SeedMuscleGroup, ...SeedMuscleGroup[]];
  secondary: readonly SeedMuscleGroup[];
  force: 'pull' | 'push' | 'static' | null;
  level: 'beginner' | 'intermediate' | 'expert';
  mechanic: 'compound' | 'isolation' | null;
  category:
    | 'strength'
    | 'stretching'
    | 'plyometrics'
    | 'strongman'
    | 'powerlifting'
    | 'cardio'
    | 'olympic weightlifting';
  equipment: readonly SeedEquipment[];
  tags: readonly [SeedTag, ...SeedTag[]];
  /** A sentence or two for each step; stored with one step a line. */
  steps: readonly string[];
}
