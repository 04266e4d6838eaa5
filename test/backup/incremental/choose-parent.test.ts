// Of which copy an incremental one holds the changes, and why there is none.
import test from 'ava';
import {
  chooseParent,
  type ClusterNow,
  type KnownCopy,
  type ParentCandidate,
  type ParentDescription,
} from '../../../src/backup/incremental/choose-parent.ts';
import { BackupChains, linkName } from '../../../src/repository/backup-chain.ts';

type Copy = { description: ParentDescription };

const now: ClusterNow = {
  systemIdentifier: '7',
  timeline: 1,
  serverVersion: '18.4 (Debian 18.4-1)',
  controlOrigin: 'here',
  blockSize: 8192,
  walSegmentSize: 1 << 24,
  relationSegmentBlocks: 131_072,
  checksums: true,
  marks: new Set(['here']),
};

const complete: KnownCopy = { state: 'complete', hasExpired: false, isVerified: null };

/** The copy with that number began in that hour, at that place in the WAL. */
function copy(id: number, changed: Partial<ParentDescription> = {}, parent?: Copy): Copy {
  const hour = String(id).padStart(2, '0');
  const before = parent?.description.incremental;
  return {
    description: {
      ...now,
      id,
      startedAt: `2026-11-28T${hour}:00:00.000Z`,
      startLsn: `0/${id}000028`,
      stopLsn: `0/${id}000100`,
      damagedPages: [],
      manifestCrc32c: id,
      historyMark: 'here',
      ...(parent && {
        incremental: {
          parent: linkName(parent),
          parentRequest: parent.description.id,
          fromLsn: parent.description.startLsn,
          fromTimeline: parent.description.timeline,
          parentManifestCrc32c: parent.description.manifestCrc32c,
          full: before?.full ?? linkName(parent),
          links: (before?.links ?? 0) + 1,
        },
      }),
      ...changed,
    },
  };
}

function marked({ description }: Copy, mark: string | undefined): Copy {
  const { historyMark: _, ...rest } = description;
  return { description: mark === undefined ? rest : { ...rest, historyMark: mark } };
}

interface Among {
  known?: Record<number, Partial<KnownCopy> | undefined>;
  unreadable?: { name: string; problem: string }[];
  cluster?: Partial<ClusterNow>;
  maxChain?: number;
}

function chosen(copies: Copy[], { known = {}, unreadable = [], cluster = {}, maxChain = 14 }: Among = {}) {
  const chains = new BackupChains({ backups: copies, damaged: unreadable, expiring: [] });
  const candidates = copies.map((backup): ParentCandidate<Copy> => {
    const { id } = backup.description;
    const isKnown = !(id in known) || known[id] !== undefined;
    return { backup, chain: chains.of(backup), known: isKnown ? { ...complete, ...known[id] } : undefined };
  });
  const choice = chooseParent(candidates, unreadable, { ...now, ...cluster }, maxChain);
  return { ...choice, parent: choice.parent?.backup.description.id };
}

test('the newest copy is the parent, whether full or incremental', (t) => {
  const first = copy(1);
  const second = copy(2, {}, first);
  t.deepEqual(chosen([first]), { parent: 1, reason: '', passedOver: [] });
  t.is(chosen([first, second]).parent, 2);
  t.is(chosen([second, first]).parent, 2);
  t.is(chosen([first, second, copy(3)]).parent, 3);
});

for (const [what, historyMark, problem] of [
  [
    'of which the data directory has no mark',
    'elsewhere',
    'has no mark in the data directory, which was put back from an older copy of it since',
  ],
  [
    'that could leave no mark',
    undefined,
    'has left no mark in the data directory, where the worker may not write',
  ],
] as const) {
  test(`a copy ${what} is passed over, and an older one is the parent`, (t) => {
    t.deepEqual(chosen([copy(1), marked(copy(2), historyMark)]), {
      parent: 1,
      reason: '',
      passedOver: [`backup 20261128T020000Z-2 ${problem}`],
    });
  });
}

test('without a copy there is no parent', (t) => {
  t.deepEqual(chosen([]), {
    parent: undefined,
    reason: 'the repository has no copy of this cluster yet',
    passedOver: [],
  });
});

for (const [what, known, problem] of [
  ['that the control database does not know', undefined, 'is not in the control database'],
  ['that has expired', { hasExpired: true }, 'has expired'],
  ['that is not complete', { state: 'archiving' }, 'is not complete: its request is archiving'],
  [
    'that a verification has found damaged',
    { isVerified: false },
    'was found damaged by its last verification',
  ],
] as const) {
  test(`a copy ${what} is passed over, and an older one is the parent`, (t) => {
    const copies = [copy(1), copy(2)];
    t.deepEqual(chosen(copies, { known: { 2: known } }), {
      parent: 1,
      reason: '',
      passedOver: [`backup 20261128T020000Z-2 ${problem}`],
    });
    t.regex(chosen(copies, { known: { 1: known, 2: known } }).reason, /no copy .* is known to be sound/);
  });
}

for (const [what, known, problem] of [
  ['was given up, and came back', { hasExpired: true }, 'has expired'],
  ['a verification has found damaged', { isVerified: false }, 'was found damaged by its last verification'],
] as const) {
  test(`a copy that stands on one that ${what} is passed over`, (t) => {
    const first = copy(1);
    const second = copy(2, {}, first);
    const { parent, passedOver } = chosen([first, second, copy(3, {}, second)], { known: { 1: known } });
    t.is(parent, undefined);
    const stands = `stands on backup 20261128T010000Z-1, which ${problem}`;
    t.deepEqual(passedOver, [
      `backup 20261128T030000Z-3 ${stands}`,
      `backup 20261128T020000Z-2 ${stands}`,
      `backup 20261128T010000Z-1 ${problem}`,
    ]);
  });
}

test('a copy with damaged pages is passed over', (t) => {
  const damaged = copy(2, { damagedPages: [{ file: 'base/5/1259', block: 3 }] });
  t.deepEqual(chosen([copy(1), damaged]).passedOver, ['backup 20261128T020000Z-2 has 1 damaged page']);
});

test('a copy whose chain is broken is passed over', (t) => {
  const lost = copy(2);
  const { parent, passedOver } = chosen([copy(1), copy(3, {}, lost)]);
  t.is(parent, 1);
  t.deepEqual(passedOver, [
    'backup 20261128T030000Z-3 cannot be restored: its chain is broken at backup 20261128T020000Z-2, which is not in the repository',
  ]);
});

test('a newer copy that cannot be read is named, and an older one is not', (t) => {
  const unreadable = ['20261128T010000Z-1', '20261128T030000Z-3'].map((name) => ({
    name,
    problem: 'it is torn',
  }));
  t.deepEqual(chosen([copy(2)], { unreadable }), {
    parent: 2,
    reason: '',
    passedOver: ['backup 20261128T030000Z-3 cannot be read: it is torn'],
  });
  t.is(chosen([], { unreadable }).passedOver.length, 2);
});

for (const [what, changed, reason] of [
  ['another control database', { controlOrigin: 'elsewhere' }, /was made by another control database/],
  ['another system', { systemIdentifier: '8' }, /is of another system/],
  ['another timeline', { timeline: 2 }, /is of another timeline/],
  ['another checksum setting', { checksums: false }, /is of another setting of data checksums/],
  [
    'another minor release',
    { serverVersion: '18.3' },
    /was made with PostgreSQL 18\.3, and the server is 18\.4/,
  ],
  ['another block size', { blockSize: 4096 }, /is of another block size/],
  ['another WAL segment size', { walSegmentSize: 1 << 20 }, /is of another WAL segment size/],
  ['another segment size', { relationSegmentBlocks: 16 }, /is of another size of relation files/],
] as const) {
  test(`a newest copy of ${what} is not a parent, and neither is an older one`, (t) => {
    const elsewhere = 'timeline' in changed || 'systemIdentifier' in changed;
    const copies = elsewhere ? [copy(2, changed)] : [copy(1), copy(2, changed)];
    const { parent, reason: said } = chosen(copies);
    t.is(parent, undefined);
    t.regex(said, reason);
    t.regex(said, /^backup 20261128T020000Z-2, /);
  });
}

test('what a packager adds to the version does not count', (t) => {
  t.is(chosen([copy(1, { serverVersion: '18.4 (Debian 18.4-2)' })]).parent, 1);
  t.is(chosen([copy(1, { serverVersion: '18.40' })]).parent, undefined);
});

test('a later copy of another timeline does not hide the newest of this one', (t) => {
  t.is(chosen([copy(1), copy(2, { timeline: 2 })]).parent, 1);
  t.is(chosen([copy(1), copy(2, { timeline: 2 })], { cluster: { timeline: 2 } }).parent, 2);
});

test('a chain grows up to max_chain', (t) => {
  const copies = [copy(1)];
  for (const id of [2, 3, 4]) copies.push(copy(id, {}, copies.at(-1)));
  t.is(chosen(copies, { maxChain: 4 }).parent, 4);
  t.is(
    chosen(copies, { maxChain: 3 }).reason,
    'its chain has 3 incremental copies, as many as max_chain allows',
  );
  t.is(
    chosen(copies.slice(0, 2), { maxChain: 1 }).reason,
    'its chain has 1 incremental copy, as many as max_chain allows',
  );
});
