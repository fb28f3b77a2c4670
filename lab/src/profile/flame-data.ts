/** What the flame graph page gets: one tree, or two merged into one, as small as JSON can carry it. */
import type { FlameNode } from '../result/result.ts';
import { findOwner, type OwnerKind, ownerKinds } from './frame-names.ts';

/**
 * A frame as [name, where, kind, total, self, children], names as indexes into the strings, kind into the kinds, times
 * in CPU microseconds; in a differential graph total and self of the profile before follow.
 */
export type PackedFrame = readonly [
  name: number,
  where: number,
  kind: number,
  totalUs: number,
  selfUs: number,
  children: readonly PackedFrame[],
  beforeTotalUs?: number,
  beforeSelfUs?: number,
];

/** One way to make two profiles comparable: each of its microseconds is divided by this. */
export interface Scale {
  /** "of CPU", "per request", "per second". */
  label: string;
  unit: 'share' | 'us' | 'ms';
  before: number;
  after: number;
}

export interface FlameData {
  strings: readonly string[];
  kinds: readonly OwnerKind[];
  root: PackedFrame;
  /** Null when it is the graph of one profile; else the first scale is the one to begin with. */
  scales: readonly Scale[] | null;
}

/** What a profile is measured against. */
export interface ProfileBasis {
  flame: FlameNode;
  wallS: number;
  requests: number | null;
}

/** Frames below this share of all could not be seen at any zoom worth having: half a pixel at 20 times the width. */
const leastShare = 1 / 40_000;

interface Pair {
  name: string;
  where: string;
  after: FlameNode | undefined;
  before: FlameNode | undefined;
}

/** @param before the profile to compare with, for a differential graph */
export function packFlame(after: ProfileBasis, before: ProfileBasis | null = null): FlameData {
  const strings: string[] = [];
  const indexes = new Map<string, number>();
  const indexOf = (text: string): number => {
    let index = indexes.get(text);
    if (index === undefined) {
      index = strings.push(text) - 1;
      indexes.set(text, index);
    }
    return index;
  };
  const leastAfterUs = after.flame.totalUs * leastShare;
  const leastBeforeUs = (before?.flame.totalUs ?? 0) * leastShare;
  const pack = (pair: Pair): PackedFrame => {
    const { name, where } = pair;
    const children = pairChildren(pair)
      .filter(
        (child) =>
          (child.after?.totalUs ?? 0) > leastAfterUs ||
          (before !== null && (child.before?.totalUs ?? 0) > leastBeforeUs),
      )
      .map(pack);
    const kind = ownerKinds.indexOf(findOwner(pair).kind);
    const times = [Math.round(pair.after?.totalUs ?? 0), Math.round(pair.after?.selfUs ?? 0)] as const;
    if (before === null) return [indexOf(name), indexOf(where), kind, ...times, children];
    const earlier = [Math.round(pair.before?.totalUs ?? 0), Math.round(pair.before?.selfUs ?? 0)] as const;
    return [indexOf(name), indexOf(where), kind, ...times, children, ...earlier];
  };
  const { name, where } = after.flame;
  const root = pack({ name, where, after: after.flame, before: before?.flame });
  return { strings, kinds: ownerKinds, root, scales: before === null ? null : listScales(after, before) };
}

/**
 * Calls of the same name are the same call. The line is left out of it: an edit above a function moves it, and then
 * each of its frames would be one that is gone and one that is new.
 */
function pairChildren(pair: Pair): Pair[] {
  const pairs = new Map<string, Pair>();
  for (const child of pair.after?.children ?? [])
    pairs.set(keyOf(child, pairs), { ...child, after: child, before: undefined });
  const taken = new Set<string>();
  for (const child of pair.before?.children ?? []) {
    const key = keyOf(child, taken);
    taken.add(key);
    const same = pairs.get(key);
    if (same === undefined) pairs.set(key, { ...child, after: undefined, before: child });
    else same.before = child;
  }
  return [...pairs.values()].map(({ name, where, after, before }) => ({ name, where, after, before }));
}

/** Several anonymous functions of one file are told apart by their order, the widest first. */
function keyOf(node: FlameNode, taken: { has(key: string): boolean }): string {
  const key = `${node.name}\n${node.where.replace(/:\d+$/, '')}`;
  for (let count = 0; ; count += 1) {
    const candidate = `${key}\n${count}`;
    if (!taken.has(candidate)) return candidate;
  }
}

/** CPU per request is the fair measure; without load in both it is CPU per second, right when the load was the same. */
export function listScales(after: ProfileBasis, before: ProfileBasis): Scale[] {
  const scales: Scale[] = [];
  if (after.requests !== null && before.requests !== null && after.requests > 0 && before.requests > 0) {
    scales.push({ label: 'per request', unit: 'us', before: before.requests, after: after.requests });
  }
  scales.push({ label: 'per second', unit: 'ms', before: before.wallS * 1000, after: after.wallS * 1000 });
  scales.push({
    label: 'of all CPU',
    unit: 'share',
    before: Math.max(1, before.flame.totalUs),
    after: Math.max(1, after.flame.totalUs),
  });
  return scales;
}
