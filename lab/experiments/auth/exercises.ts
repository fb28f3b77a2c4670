/** The list of the experiment: 50 exercises with dates and nested objects, made up and always the same. */

interface NamedItem {
  id: number;
  name: string;
  slug: string;
}

/** As an application holds it: dates are dates, which JSON has no word for. */
export interface ListedExercise {
  id: string;
  name: string;
  slug: string;
  primaryMuscles: NamedItem[];
  secondaryMuscles: NamedItem[];
  equipment: NamedItem[];
  tags: string[];
  category: string;
  difficultyLevel: string;
  force: string | null;
  mechanic: string | null;
  instructions: string;
  createdAt: Date;
  updatedAt: Date;
}

/** How many the list has, as in the study. */
export const listLength = 50;

const muscles = [
  'Quadriceps',
  'Hamstrings',
  'Chest',
  'Shoulders',
  'Lower back',
  'Calves',
  'Biceps',
  'Glutes',
];
const tools = ['Barbell', 'Dumbbell', 'Kettlebell', 'Cable', 'Body weight'];
const moves = ['Press', 'Row', 'Squat', 'Curl', 'Lunge', 'Raise', 'Pull', 'Hold', 'Swing', 'Carry'];

export function makeExercises(): ListedExercise[] {
  return Array.from({ length: listLength }, (_, index) => {
    const tool = pick(tools, index);
    const name = `${tool} ${pick(moves, index)} ${index + 1}`;
    return {
      id: `018f3c2e-7b1a-7000-8000-${index.toString(16).padStart(12, '0')}`,
      name,
      slug: name.toLowerCase().replaceAll(' ', '-'),
      primaryMuscles: [toItem(muscles, index)],
      secondaryMuscles: [toItem(muscles, index + 3), toItem(muscles, index + 5)],
      equipment: [toItem(tools, index)],
      tags: ['strength', index % 2 === 0 ? 'compound' : 'isolation'],
      category: 'strength',
      difficultyLevel: pick(['beginner', 'intermediate', 'advanced'], index),
      force: index % 3 === 0 ? null : 'push',
      mechanic: index % 2 === 0 ? 'compound' : null,
      instructions: `Set up with the ${tool.toLowerCase()}, brace, move slowly through the whole range and return.`,
      createdAt: new Date(Date.UTC(2026, 0, 1 + index)),
      updatedAt: new Date(Date.UTC(2026, 5, 1, index)),
    };
  });
}

function pick(list: readonly string[], index: number): string {
  return list[index % list.length] ?? '';
}

function toItem(list: readonly string[], index: number): NamedItem {
  const name = pick(list, index);
  return { id: index % list.length, name, slug: name.toLowerCase().replaceAll(' ', '-') };
}
