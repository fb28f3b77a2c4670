/** Runs one statement under one planner setting and reads what PostgreSQL did (EXPLAIN, ANALYZE, BUFFERS). */
import type postgres from 'postgres';

export interface Explained {
  /** The nodes that read tables, outermost first: "Index Scan exercises_by_name". */
  plan: string;
  executionMs: number;
  planningMs: number;
  /** Pages of 8 KiB found in PostgreSQL's memory, and asked of the system. */
  sharedHit: number;
  sharedRead: number;
}

/**
 * In a read-only transaction that is rolled back, so that nothing stays: neither the setting nor what a function in
 * the query might write.
 *
 * @param setting one that a session may change, such as random_page_cost
 */
export async function explain(
  client: postgres.Sql,
  query: string,
  setting: string,
  value: string,
): Promise<Explained> {
  const outcome: { explained?: Explained } = {};
  const done = new Error('rolled back on purpose');
  try {
    await client.begin('read only', async (tx) => {
      await tx`select set_config(${setting}, ${value}, true)`;
      const rows = await tx.unsafe(`explain (analyze, buffers, format json) ${query}`);
      outcome.explained = readPlan(rows[0]?.['QUERY PLAN']);
      throw done;
    });
  } catch (error) {
    if (error !== done) throw error;
  }
  if (outcome.explained === undefined) throw new Error('PostgreSQL explained nothing.');
  return outcome.explained;
}

function readPlan(answer: unknown): Explained {
  const [top]: unknown[] = Array.isArray(answer) ? answer : [];
  const root = field(top, 'Plan');
  return {
    plan: [...new Set(listScans(root))].join(', ') || String(field(root, 'Node Type')),
    executionMs: Number(field(top, 'Execution Time')),
    planningMs: Number(field(top, 'Planning Time')),
    sharedHit: Number(field(root, 'Shared Hit Blocks')),
    sharedRead: Number(field(root, 'Shared Read Blocks')),
  };
}

/** What a plan is told apart by: which tables it reads, and how. Joins and sorts follow from that. */
function listScans(node: unknown): string[] {
  const type = String(field(node, 'Node Type'));
  const place = field(node, 'Index Name') ?? field(node, 'Relation Name');
  const own = /Scan/.test(type) && typeof place === 'string' ? [`${type} ${place}`] : [];
  const children = field(node, 'Plans');
  return [...own, ...(Array.isArray(children) ? children.flatMap(listScans) : [])];
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
