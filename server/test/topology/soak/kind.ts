/** A kind of request of a soak, and how one of several is chosen. */
import type { Answer } from './clients.ts';

export interface Kind {
  name: string;
  /** A second, when all kinds together are 300. */
  perSecond: number;
  /** Statuses that are right. */
  expected: readonly number[];
  /** @returns undefined when there is nobody and nothing to ask it with at this moment */
  ask(): Promise<Answer> | undefined;
}

/** Makes a choice of one. @param random between 0 and 1 */
export function createPick(random: () => number): <Item>(items: readonly Item[]) => Item | undefined {
  return (items) => items[Math.floor(random() * items.length)];
}
