import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildFlame, findStackDuring, type ProfileContext, parseCpuProfile } from './cpu-profile.ts';
import { packFlame } from './flame-data.ts';
import { tabulateShares } from './share-table.ts';

const frame = (functionName: string, url = '', lineNumber = -1) => ({ functionName, url, lineNumber });

/** Ten samples a millisecond apart: 4 in hash under route, 2 in a package, 1 garbage, 1 (program), 2 idle. */
const raw = {
  startTime: 1000,
  endTime: 11_000,
  nodes: [
    { id: 1, callFrame: frame('(root)'), children: [2, 3, 4, 5] },
    { id: 2, callFrame: frame('(idle)') },
    { id: 3, callFrame: frame('(program)') },
    { id: 4, callFrame: frame('(garbage collector)') },
    { id: 5, callFrame: frame('route', 'file:///app/src/http/route.ts', 9), children: [6, 7, 8] },
    { id: 6, callFrame: frame('hash', 'file:///app/src/hash.ts', 0) },
    // The same function again: V8 keeps one node for each state of optimisation.
    { id: 7, callFrame: frame('hash', 'file:///app/src/hash.ts', 0) },
    { id: 8, callFrame: frame('parse', 'file:///app/node_modules/@scope/pkg/lib/parse.js', 4) },
  ],
  samples: [6, 6, 6, 7, 8, 8, 4, 3, 2, 2],
  timeDeltas: [0, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000],
};

function context(mainThreadUs: number | null, threads: ProfileContext['threads'] = []): ProfileContext {
  return { wallS: 0.01, mainThreadUs, threads, cwd: '/app', requests: null };
}

function sharesOf(mainThreadUs: number | null, threads?: ProfileContext['threads']) {
  const flame = buildFlame(parseCpuProfile(raw, context(mainThreadUs, threads)));
  const { functions, packages } = tabulateShares(flame, 0.01);
  const self = (name: string) => functions.find((row) => row.name === name)?.self ?? 0;
  return { flame, functions, packages, self };
}

const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-9, `${a}, not ${b}`);

test('what V8 called idle though the kernel counted CPU is native I/O, with (program)', () => {
  const { flame, self } = sharesOf(10_000);
  assert.equal(flame.totalUs, 10_000);
  near(self('hash'), 0.4);
  near(self('(garbage collector)'), 0.1);
  near(self('native I/O'), 0.3);
});

test('when the samples say more than the kernel, the thread waited for a core: scaled down', () => {
  const { flame, self } = sharesOf(4000);
  assert.equal(flame.totalUs, 4000);
  near(self('hash'), 0.5);
  near(self('native I/O'), 0.125);
});

test('other threads are in the whole, under names that say what they do, but not those of the profiler', () => {
  const { flame, self, packages } = sharesOf(8000, [
    { name: 'libuv-worker', cpuUs: 6000 },
    { name: 'v8:ProfEvntProc', cpuUs: 2000 },
  ]);
  assert.equal(flame.totalUs, 14_000);
  near(self('libuv threads (crypto, files, DNS)'), 6 / 14);
  assert.ok(packages.every(({ name }) => !name.includes('profiler')));
});

test('a function is one row with its file, a package another, a folder of the application a third', () => {
  const { functions, packages } = sharesOf(null);
  assert.deepEqual(
    functions.find(({ name }) => name === 'hash'),
    { name: 'hash', where: 'src/hash.ts:1', self: 0.5, total: 0.5 },
  );
  assert.equal(functions.find(({ name }) => name === 'route')?.total, 0.75);
  assert.deepEqual(packages.map(({ name }) => name).toSorted(), [
    '@scope/pkg',
    'V8 garbage collector',
    'native I/O',
    'src/',
    'src/http/',
  ]);
});

test('the stack of a stretch is the one seen most often in it, innermost first', () => {
  const profile = parseCpuProfile(raw, context(null));
  assert.deepEqual(findStackDuring(profile, 1000, 5000), [
    'hash (src/hash.ts:1)',
    'route (src/http/route.ts:10)',
  ]);
  assert.deepEqual(findStackDuring(profile, 5000, 6500), [
    'parse (node_modules/@scope/pkg/lib/parse.js:5)',
    'route (src/http/route.ts:10)',
  ]);
  assert.deepEqual(findStackDuring(profile, 8000, 11_000), [], 'nothing ran');
});

test('what is no profile is refused with a sentence', () => {
  for (const wrong of [
    null,
    7,
    {},
    { ...raw, samples: undefined },
    { ...raw, timeDeltas: [1] },
    { ...raw, endTime: 'x' },
  ]) {
    assert.throws(() => parseCpuProfile(wrong), /no \.cpuprofile/);
  }
});

test('compared with a profile before, moved functions are the same, others new or gone', () => {
  const moved = structuredClone(raw);
  for (const { callFrame } of moved.nodes) callFrame.lineNumber += 7;
  const parse = moved.nodes.find(({ id }) => id === 8);
  if (parse !== undefined) parse.callFrame.functionName = 'parseFaster';
  const basis = (source: unknown, requests: number | null) => ({
    flame: buildFlame(parseCpuProfile(source, context(null))),
    wallS: 0.01,
    requests,
  });
  const { root, strings, scales } = packFlame(basis(moved, 20), basis(raw, 10));
  const found = new Map<string, [number, number]>();
  const walk = (packed: typeof root): void => {
    const [name, , , totalUs, , children, beforeUs = 0] = packed;
    found.set(strings[name] ?? '', [totalUs, beforeUs]);
    for (const child of children) walk(child);
  };
  walk(root);
  assert.deepEqual(found.get('hash'), [4000, 4000]);
  assert.deepEqual(found.get('parse'), [0, 2000]);
  assert.deepEqual(found.get('parseFaster'), [2000, 0]);
  assert.deepEqual(scales?.[0], { label: 'per request', unit: 'us', before: 10, after: 20 });
  assert.equal(packFlame(basis(moved, null), basis(raw, 10)).scales?.[0]?.label, 'per second');
});

test('a function may be called as what every object has', () => {
  const named = {
    ...raw,
    nodes: raw.nodes.map((node) =>
      node.id === 6 ? { ...node, callFrame: frame('constructor', 'file:///app/src/hash.ts') } : node,
    ),
  };
  const flame = buildFlame(parseCpuProfile(named, context(10_000)));
  for (const { name, where } of tabulateShares(flame, 0.01).packages) {
    assert.equal(typeof name, 'string');
    assert.equal(typeof where, 'string');
  }
});
