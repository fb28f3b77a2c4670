/** Who the CPU went to, by function and by package, from the tree of a profile. */
import type { CpuShare, FlameNode, ProfileTable } from '../result/result.ts';
import { type FrameName, findOwner } from './frame-names.ts';

/** Rows below both are noise: at 1 kHz, 0.1 % of ten seconds is ten samples. */
const leastSelf = 0.001;
const leastTotal = 0.01;
const mostRows = 200;

/**
 * Shares are of all CPU of the process. `self` is its own time, `total` also that of what it called; recursion counts
 * once, so no total passes 1. The rows are sorted by self.
 */
export function tabulateShares(flame: FlameNode, wallS: number): ProfileTable {
  return {
    cpuS: flame.totalUs / 1e6,
    wallS,
    functions: collectShares(flame, (node) => ({ name: node.name, where: node.where })),
    packages: collectShares(flame, (node) => {
      const { name, kind } = findOwner(node);
      return { name, where: kind };
    }),
  };
}

function collectShares(flame: FlameNode, group: (node: FlameNode) => FrameName): CpuShare[] {
  const rows = new Map<string, CpuShare>();
  const open = new Set<string>();
  const walk = (node: FlameNode): void => {
    const { name, where } = group(node);
    const key = `${name}\n${where}`;
    let row = rows.get(key);
    if (row === undefined) {
      row = { name, where, self: 0, total: 0 };
      rows.set(key, row);
    }
    row.self += node.selfUs;
    const isOutermost = !open.has(key);
    if (isOutermost) {
      row.total += node.totalUs;
      open.add(key);
    }
    for (const child of node.children) walk(child);
    if (isOutermost) open.delete(key);
  };
  // The root and the main thread are all of it: no row of their own.
  for (const child of flame.children) {
    if (child.name === 'main thread') for (const call of child.children) walk(mergeNative(call));
    else walk(child);
  }
  const all = Math.max(flame.totalUs, 1);
  return [...rows.values()]
    .map((row) => ({ ...row, self: row.self / all, total: row.total / all }))
    .filter((row) => row.self >= leastSelf || row.total >= leastTotal)
    .sort((a, b) => b.self - a.self || b.total - a.total)
    .slice(0, mostRows);
}

/** How V8 labelled it matters in the graph, where one may ask; in a table native I/O is one row. */
function mergeNative(node: FlameNode): FlameNode {
  return node.name === 'native I/O' ? { ...node, selfUs: node.totalUs, children: [] } : node;
}

/**
 * CPU by the function that asked for it: what built-ins and Node itself used is charged to the nearest function of
 * the application or a package on the stack. This is what one can change. Sorted; shares of all CPU in `self`.
 */
export function chargeCallers(flame: FlameNode): CpuShare[] {
  const rows = new Map<string, CpuShare>();
  const walk = (node: FlameNode, asker: FrameName | null): void => {
    const { name: ownerName, kind } = findOwner(node);
    const isOwnCode = kind === 'app' || kind === 'package';
    const next = isOwnCode ? node : asker;
    // Without a caller of its own kind, V8 and Node stand for themselves.
    const alone = kind === 'node' ? { name: ownerName, where: 'node:' } : node;
    const charged = next ?? (kind === 'native' ? { name: ownerName, where: 'native' } : alone);
    const key = `${charged.name}\n${charged.where}`;
    const row = rows.get(key) ?? { name: charged.name, where: charged.where, self: 0, total: 0 };
    row.self += node.selfUs / Math.max(1, flame.totalUs);
    row.total = row.self;
    rows.set(key, row);
    for (const child of node.children) walk(child, next);
  };
  walk(flame, null);
  return [...rows.values()].sort((a, b) => b.self - a.self);
}
