// What an incremental copy keeps, what it counts for, and in which order chains are removed.
import test from 'ava';
import { decideBackups, type RetentionRules } from '../../src/retention/decide-backups.ts';
import type { ExpiryCandidate } from '../../src/retention/expiry-candidate.ts';
import { childrenFirst, whyNeeded } from '../../src/retention/needed-links.ts';

const present = Date.UTC(2026, 10, 29);
const day = 86_400_000;

/** Made so many days before the present, oldest first by their ids; `standsOn`: ids. */
function copy(id: number, standsOn: number[] = [], more: Partial<ExpiryCandidate> = {}): ExpiryCandidate {
  const stopLsn = BigInt(id) * 0x1000000n;
  const segment = `0000000100000000${id.toString(16).toUpperCase().padStart(8, '0')}`;
  return {
    name: `copy-${id}`,
    id,
    method: 'copy',
    systemIdentifier: '7',
    timeline: 1,
    startLsn: stopLsn - 256n,
    stopLsn,
    startWal: segment,
    stopWal: segment,
    stoppedAt: new Date(present - (100 - id) * day),
    isSound: true,
    requester: 'role alice',
    held: [],
    isRead: false,
    isBegun: false,
    standsOn: standsOn.map((link) => `copy-${link}`),
    ...more,
  };
}

const rules = (some: Partial<RetentionRules>): RetentionRules => ({
  keepLast: null,
  keepDaily: null,
  keepWeekly: null,
  keepMonthly: null,
  timeZone: 'UTC',
  keepSince: null,
  recoverSince: null,
  ...some,
});

function decide(backups: ExpiryCandidate[], some: Partial<RetentionRules>) {
  const branch = { timeline: 1, histories: new Map(), systemIdentifier: '7' };
  const decided = decideBackups(backups, rules(some), [branch]);
  return {
    staying: decided.filter(({ goes }) => !goes).map(({ backup }) => backup.id),
    reasons: (id: number) => decided.find(({ backup }) => backup.id === id)?.reasons ?? [],
    rolls: (id: number) => decided.find(({ backup }) => backup.id === id)?.rollsForward,
  };
}

/** Two chains: 1, 2, 3 and 4, 5, 6. */
const chains = () => [copy(1), copy(2, [1]), copy(3, [1, 2]), copy(4), copy(5, [4]), copy(6, [4, 5])];
const window0 = { recoverSince: new Date(present) };

test('what is kept keeps what it stands on, and each link says for which copies', (t) => {
  const { staying, reasons } = decide(chains(), { keepLast: 1, ...window0 });
  t.deepEqual(staying, [4, 5, 6]);
  t.deepEqual(reasons(5), ['backup copy-6 cannot be restored without it']);
  t.deepEqual(reasons(4), ['backup copy-6 cannot be restored without it']);
  t.deepEqual(reasons(3), [
    'it is number 4 from the newest, and 1 is kept; recovery_window begins with a later one',
  ]);
});

test('each incremental copy counts as one that can be restored, and a link that only they need counts for nothing', (t) => {
  t.deepEqual(decide(chains(), { keepLast: 3, ...window0 }).staying, [4, 5, 6]);
  const { staying, reasons } = decide(chains(), { keepLast: 4, ...window0 });
  t.deepEqual(staying, [1, 2, 3, 4, 5, 6]);
  t.deepEqual(reasons(3), ['it is one of the last 4']);
  t.deepEqual(reasons(1), ['backup copy-3 cannot be restored without it']);
});

test('the newest of a day, a week or a month keeps its chain', (t) => {
  const months = [copy(1), copy(2, [1]), copy(40), copy(41, [40]), copy(80), copy(81, [80])];
  const { staying, reasons } = decide(months, { keepMonthly: 2, ...window0 });
  t.deepEqual(staying, [40, 41, 80, 81]);
  t.true(reasons(41).some((reason) => /newest of the month/.test(reason)));
  t.deepEqual(reasons(40), ['backup copy-41 cannot be restored without it']);
});

test('one whose chain is broken or damaged counts as none, and says why it goes', (t) => {
  const unsound = 'its chain is broken at backup copy-5, which is not in the repository';
  const broken = [
    ...chains().filter(({ id }) => id !== 5 && id !== 6),
    copy(6, [], { isSound: false, unsound }),
  ];
  const { staying, reasons } = decide([...broken, copy(7)], { keepLast: 2, ...window0 });
  t.deepEqual(staying, [4, 7]);
  t.regex(
    String(reasons(6)),
    /^its chain is broken at backup copy-5, which is not in the repository; it is number 2/,
  );
  t.deepEqual(reasons(4), ['it is one of the last 2']);
});

test('where none is sound, none goes', (t) => {
  const damaged = chains().map((one) => ({ ...one, isSound: false }));
  t.deepEqual(decide(damaged, { keepLast: 1 }).staying, [1, 2, 3, 4, 5, 6]);
});

const keepers: Record<string, Partial<ExpiryCandidate>> = {
  held: { held: ['it is under legal hold: case 7'] },
  read: { held: ['it is being read'], isRead: true },
};
for (const [what, more] of Object.entries(keepers)) {
  test(`an incremental copy that is ${what} keeps its links, which no recovery begins with`, (t) => {
    const backups = chains().map((one) => (one.id === 3 ? { ...one, ...more } : one));
    const { staying, reasons, rolls } = decide(backups, { keepLast: 1, ...window0 });
    t.deepEqual(staying, [1, 2, 3, 4, 5, 6]);
    t.deepEqual(reasons(1), ['backup copy-3 cannot be restored without it']);
    t.deepEqual([1, 2].map(rolls), [false, false]);
  });
}

test('without a recovery_window what is kept for itself is rolled forward, and what is only a link is not', (t) => {
  const { rolls } = decide(chains(), { keepLast: 1 });
  t.deepEqual([4, 5, 6].map(rolls), [false, false, true]);
});

test('a link may be kept for itself as well, and then says both', (t) => {
  const backups = chains().map((one) => (one.id === 4 ? { ...one, held: ['keep is set'] } : one));
  const { reasons, rolls } = decide(backups, { keepLast: 1 });
  t.deepEqual(reasons(4), ['keep is set', 'backup copy-6 cannot be restored without it']);
  t.true(rolls(4));
});

test('a copy elsewhere with the name of a link is none', (t) => {
  const elsewhere = copy(1, [], { method: 'hold', requester: 'role bob' });
  const backups = [{ ...elsewhere, stoppedAt: new Date(present - 200 * day) }, ...chains().slice(3)];
  const named = backups.map((one) => (one.id === 1 ? { ...one, name: 'copy-4' } : one));
  t.deepEqual(decide(named, { keepLast: 1, ...window0 }).staying, [4, 5, 6]);
});

test('a reason names three copies and counts the others', (t) => {
  t.is(whyNeeded(['a']), 'backup a cannot be restored without it');
  t.is(whyNeeded(['a', 'b', 'c']), 'backups a, b, c cannot be restored without it');
  t.is(whyNeeded(['a', 'b', 'c', 'd', 'e']), 'backups a, b, c and 2 more cannot be restored without it');
});

test('children are removed before their parents, and one chain after the other', (t) => {
  const order = (backups: ExpiryCandidate[]) => childrenFirst(backups).map(({ id }) => id);
  t.deepEqual(order(chains()), [3, 2, 1, 6, 5, 4]);
  t.deepEqual(order(chains().toReversed()), [6, 5, 4, 3, 2, 1]);
  const branched = [copy(1), copy(2, [1]), copy(3, [1, 2]), copy(4, [1]), copy(5, [1, 4]), copy(6)];
  const sorted = order(branched);
  for (const { id, standsOn = [] } of branched)
    for (const link of standsOn)
      t.true(sorted.indexOf(id) < sorted.indexOf(Number(link.slice('copy-'.length))), `${id} before ${link}`);
  t.is(sorted.length, branched.length);
  t.deepEqual(order([copy(7, [], { method: 'hold' }), copy(1)]), [7, 1]);
});
