/** The planner study: every query under every value of a setting, in turn, and the medians side by side. */
import type postgres from 'postgres';
import { createRandom } from '../stats/random.ts';
import { medianOf } from '../stats/summary.ts';
import { type Explained, explain } from './explain.ts';
import type { NamedQuery } from './read-queries.ts';

export interface StudyOptions {
  setting: string;
  values: readonly string[];
  /** Measured rounds; one more warms the memory of the server. */
  rounds: number;
  interrupted: AbortSignal;
  onRound(round: number): void;
}

export interface StudyRow {
  query: string;
  value: string;
  /** Plans seen, the most frequent first; one unless the planner changed its mind between rounds. */
  plans: string[];
  medianMs: number;
  leastMs: number;
  mostMs: number;
  medianPlanningMs: number;
  sharedHit: number;
  sharedRead: number;
}

/** Values take turns in an order that changes each round, so that none is always the one with warm caches. */
export async function studyPlanner(
  client: postgres.Sql,
  queries: readonly NamedQuery[],
  options: StudyOptions,
): Promise<StudyRow[]> {
  const { setting, values, rounds, interrupted } = options;
  const random = createRandom(1);
  const seen = new Map<string, Explained[]>();
  for (let round = 0; round <= rounds; round += 1) {
    options.onRound(round);
    for (const { name, text } of queries) {
      for (const value of shuffle(values, random)) {
        interrupted.throwIfAborted();
        const explained = await explain(client, text, setting, value);
        if (round === 0) continue;
        const key = JSON.stringify([name, value]);
        seen.set(key, [...(seen.get(key) ?? []), explained]);
      }
    }
  }
  return queries.flatMap(({ name }) =>
    values.map((value) => summarize(name, value, seen.get(JSON.stringify([name, value])) ?? [])),
  );
}

function summarize(query: string, value: string, runs: readonly Explained[]): StudyRow {
  const times = runs.map(({ executionMs }) => executionMs);
  const counts = new Map<string, number>();
  for (const { plan } of runs) counts.set(plan, (counts.get(plan) ?? 0) + 1);
  return {
    query,
    value,
    plans: [...counts].toSorted(([, left], [, right]) => right - left).map(([plan]) => plan),
    medianMs: medianOf(times),
    leastMs: Math.min(...times),
    mostMs: Math.max(...times),
    medianPlanningMs: medianOf(runs.map(({ planningMs }) => planningMs)),
    sharedHit: medianOf(runs.map(({ sharedHit }) => sharedHit)),
    sharedRead: medianOf(runs.map(({ sharedRead }) => sharedRead)),
  };
}

/** Fisher and Yates. */
function shuffle(values: readonly string[], random: () => number): string[] {
  const shuffled = [...values];
  for (let index = shuffled.length - 1; index > 0; index -= 1) {
    const other = Math.floor(random() * (index + 1));
    const [left, right] = [shuffled[index], shuffled[other]];
    if (left === undefined || right === undefined) continue;
    shuffled[index] = right;
    shuffled[other] = left;
  }
  return shuffled;
}

/** A table a query, in Markdown. */
export function renderStudy(rows: readonly StudyRow[], setting: string): string {
  const queries = [...new Set(rows.map(({ query }) => query))];
  const chapters = queries.map((query) => {
    const lines = rows
      .filter((row) => row.query === query)
      .map(({ value, plans, medianMs, leastMs, mostMs, medianPlanningMs, sharedHit, sharedRead }) => {
        const time = `${figure(medianMs)} (${figure(leastMs)}-${figure(mostMs)})`;
        const pages = `${sharedHit.toFixed(0)} + ${sharedRead.toFixed(0)}`;
        return `| ${value} | ${plans.join('; or ')} | ${time} | ${figure(medianPlanningMs)} | ${pages} |`;
      });
    const head = `| ${setting} | reads | execution ms | planning ms | pages: memory + system |`;
    return `### ${query}\n\n${head}\n| --- | --- | --- | --- | --- |\n${lines.join('\n')}\n`;
  });
  return chapters.join('\n');
}

function figure(ms: number): string {
  return ms < 10 ? ms.toFixed(2) : ms.toFixed(0);
}
