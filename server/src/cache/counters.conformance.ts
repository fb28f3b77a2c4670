/** What `counters.ts` promises, as tests that every implementation has to pass. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Claim, Counters } from './counters.ts';

export interface CountersUnderTest {
  counters: Counters;
  /** Others that count together with these, on other nodes; none where they count alone. */
  others: readonly Counters[];
  /** Lets this much time pass for the windows. Exact or a little more. */
  pass(milliseconds: number): Promise<void>;
}

/** How much an end of a window may be off where the time is not the test's own: a busy machine. */
const slackMs = 5_000;
const longWindowMs = 60_000;
/** Short enough to be waited for. */
const shortWindowMs = 1_500;

let serial = 0;
/** Windows that no other test has touched: implementations may outlive a test. */
function newClaim(points: number, windowMs = longWindowMs): Claim {
  serial += 1;
  return { limit: { name: `limit-${serial}`, points, windowMs }, subject: `somebody-${serial}@example.org` };
}

/** @param open makes counters; what it makes is left alone by every other test */
export function declareCounterTests(open: () => Promise<CountersUnderTest>): void {
  test('a limit grants its points and not one more', async () => {
    const { counters } = await open();
    const claim = newClaim(3);
    for (const used of [1, 2, 3]) {
      const count = await counters.take(claim);
      assert.deepEqual([count.isGranted, count.used], [true, used]);
    }
    for (let again = 0; again < 3; again += 1) {
      const refused = await counters.take(claim);
      assert.deepEqual([refused.isGranted, refused.used], [false, 3]);
    }
  });

  test('of a hundred who ask at once as many are granted as there are points', async () => {
    const { counters, others } = await open();
    const claim = newClaim(37);
    const everybody = [counters, ...others];
    const counts = await Promise.all(
      Array.from({ length: 100 }, (_, index) => everybody[index % everybody.length]?.take(claim)),
    );
    const granted = counts.filter((count) => count?.isGranted).map((count) => count?.used ?? 0);
    assert.deepEqual(
      granted.toSorted((a, b) => a - b),
      Array.from({ length: 37 }, (_, index) => index + 1),
    );
  });

  test('what one node takes is gone for every other', async () => {
    const { counters, others } = await open();
    const claim = newClaim(2);
    await counters.take(claim);
    await counters.take(claim);
    for (const other of others) {
      assert.equal((await other.take(claim)).isGranted, false);
      await other.giveBack([claim]);
      assert.equal((await counters.take(claim)).isGranted, true);
    }
    assert.equal((await counters.take(claim)).isGranted, false);
  });

  test('a window begins with its first point and says when it ends', async () => {
    const { counters, pass } = await open();
    const claim = newClaim(5);
    assert.equal((await counters.read(claim)).endsInMs, longWindowMs);
    await counters.take(claim);
    await pass(300);
    const { endsInMs } = await counters.take(claim);
    assert.ok(endsInMs <= longWindowMs - 300 && endsInMs > longWindowMs - 300 - slackMs, `${endsInMs} ms`);
  });

  test('a refusal does not prolong the window, and after it all points are there again', async () => {
    const { counters, pass } = await open();
    const claim = newClaim(1, shortWindowMs);
    const { endsInMs } = await counters.take(claim);
    assert.ok(endsInMs > 0 && endsInMs <= shortWindowMs, `${endsInMs} ms`);
    await counters.take(claim);
    await pass(shortWindowMs + 20);
    const count = await counters.take(claim);
    assert.deepEqual([count.isGranted, count.used], [true, 1]);
  });

  test('subjects and limits of other names do not use up each other', async () => {
    const { counters } = await open();
    const claim = newClaim(1);
    assert.ok((await counters.take(claim)).isGranted);
    assert.ok((await counters.take({ ...claim, subject: 'somebody else' })).isGranted);
    assert.ok((await counters.take({ ...claim, limit: newClaim(1).limit })).isGranted);
    // Name and subject stay apart: not "limit-1" and "23" for "limit-12" and "3".
    const { limit } = newClaim(1);
    assert.ok((await counters.take({ limit: { ...limit, name: 'x:y' }, subject: 'z' })).isGranted);
    assert.ok((await counters.take({ limit: { ...limit, name: 'x' }, subject: 'y:z' })).isGranted);
  });

  test('a limit that is raised or lowered within the window counts what was taken already', async () => {
    const { counters } = await open();
    const claim = newClaim(2);
    const raised = { ...claim, limit: { ...claim.limit, points: 4 } };
    await counters.take(claim);
    await counters.take(claim);
    assert.equal((await counters.take(claim)).isGranted, false);
    assert.deepEqual(await isGrantedAndUsed(counters, raised), [true, 3]);
    assert.deepEqual(await isGrantedAndUsed(counters, claim), [false, 3]);
  });

  test('reading takes nothing', async () => {
    const { counters } = await open();
    const claim = newClaim(2);
    for (let index = 0; index < 5; index += 1) {
      const { isGranted, used } = await counters.read(claim);
      assert.deepEqual([isGranted, used], [true, 0]);
    }
    await counters.take(claim);
    await counters.take(claim);
    const { isGranted, used } = await counters.read(claim);
    assert.deepEqual([isGranted, used], [false, 2]);
  });

  test('a point that is given back can be taken again, and no more than were taken', async () => {
    const { counters } = await open();
    const claim = newClaim(2);
    await counters.take(claim);
    await counters.take(claim);
    await counters.giveBack([claim]);
    assert.equal((await counters.take(claim)).isGranted, true);
    assert.equal((await counters.take(claim)).isGranted, false);
    const untouched = newClaim(2);
    await counters.giveBack([untouched, untouched]);
    assert.equal((await counters.read(untouched)).used, 0);
    await counters.take(untouched);
    await counters.take(untouched);
    assert.equal((await counters.take(untouched)).isGranted, false);
  });

  test('giving back does not change when the window ends', async () => {
    const { counters, pass } = await open();
    const claim = newClaim(2, shortWindowMs);
    await counters.take(claim);
    await counters.giveBack([claim]);
    await counters.take(claim);
    await pass(shortWindowMs + 20);
    assert.equal((await counters.read(claim)).used, 0);
  });

  test('of several limits each is taken in turn until one has nothing left', async () => {
    const { counters } = await open();
    const [first, second, third] = [newClaim(5), newClaim(1), newClaim(5)];
    const claims = [first, second, third];
    const all = await counters.takeEach(claims);
    assert.deepEqual(
      all.map(({ isGranted, used }) => [isGranted, used]),
      [
        [true, 1],
        [true, 1],
        [true, 1],
      ],
    );
    const some = await counters.takeEach(claims);
    assert.deepEqual(
      some.map(({ isGranted, used }) => [isGranted, used]),
      [
        [true, 2],
        [false, 1],
      ],
    );
    assert.equal((await counters.read(third)).used, 1);
    await counters.giveBack([first, second]);
    assert.equal((await counters.read(first)).used, 1);
    assert.equal((await counters.read(second)).used, 0);
    assert.deepEqual(await counters.takeEach([]), []);
  });

  test('a subject may be any text', async () => {
    const { counters } = await open();
    const { limit } = newClaim(1);
    const subjects = [
      '',
      ' ',
      '\u0000',
      '\n',
      '{x}',
      '*',
      '\u00e4\u20ac\u{1f600}',
      'x'.repeat(10_000),
      '__proto__',
      '%s',
    ];
    for (const subject of subjects) {
      assert.equal((await counters.take({ limit, subject })).isGranted, true, subject.slice(0, 20));
      assert.equal((await counters.take({ limit, subject })).isGranted, false, subject.slice(0, 20));
    }
  });
}

async function isGrantedAndUsed(counters: Counters, claim: Claim): Promise<[boolean, number]> {
  const { isGranted, used } = await counters.take(claim);
  return [isGranted, used];
}
