/** The part of the report that says where the CPU went and when the event loop stood still. */
import { formatCount, formatShare } from '../report/format-figures.ts';
import { drawFlame } from './flame-chart.ts';
import { type Figures, longestStallMs, shareOfFunction, shareSeen } from './figures.ts';
import type { Group } from './plan.ts';
import type { Part } from './report-part.ts';
import type { ProfileLine } from './state.ts';

/** The pieces' shares, the stalls, and a flame graph of each variant that was profiled. */
export function describeProfiles(figures: Figures, group: Group): Part[] {
  const profiled = group.variants.flatMap((variant) => {
    const profile = figures.profile(group.id, variant.id);
    return profile === undefined ? [] : [{ variant, profile }];
  });
  if (profiled.length === 0) return [];
  const shares = profiled.map(({ profile }) => readShares(profile));
  const names = [...new Set(shares.flatMap((share) => [...share.keys()]))].slice(0, mostShares);
  return [
    { kind: 'heading', level: 3, text: group.title },
    {
      kind: 'table',
      columns: ['', 'seen', ...names, 'stalls of 20 ms', 'longest', 'time in stalls'],
      rows: profiled.map(({ variant, profile }, index) => [
        variant.label,
        formatShare(shareSeen(profile)),
        ...names.map((name) => formatOptional(shares[index]?.get(name))),
        formatCount(profile.stalls.length),
        profile.stalls.length === 0 ? '-' : `${longestStallMs(profile).toFixed(0)} ms`,
        formatShare(profile.blockedShare),
      ]),
    },
    ...profiled.flatMap(({ variant, profile }): Part[] => {
      const stem = `${group.id}-${variant.id}`;
      const title = `${group.title}: ${variant.label}`;
      return [
        { kind: 'chart', name: `flame-${stem}.svg`, title, svg: drawFlame(title, profile.flame) },
        { kind: 'link', href: `flames/${stem}.html`, text: `${title}, to search and zoom` },
      ];
    }),
  ];
}

/** What the steps exchange, by the names of its functions. */
const pieceFunctions: ReadonlyMap<string, string> = new Map([
  ['hashOnLoop', 'hash on the loop'],
  ['signToken', 'signing'],
  ['verifyToken', 'verifying'],
  ['walkToPlain', 'first pass'],
  ['writeJson', 'second pass'],
]);
/** Of the packages the widest; more columns nobody reads. */
const mostPackages = 4;
const mostShares = 12;

/** The pieces with all they call, then who used most by itself. */
function readShares(profile: ProfileLine): Map<string, number> {
  const shares = new Map<string, number>();
  for (const [name, label] of pieceFunctions) {
    const share = shareOfFunction(profile, name);
    if (share > 0) shares.set(label, share);
  }
  for (const { name, self } of profile.table.packages.slice(0, mostPackages)) shares.set(name, self);
  return shares;
}

function formatOptional(share: number | undefined): string {
  return share === undefined ? '-' : formatShare(share);
}
