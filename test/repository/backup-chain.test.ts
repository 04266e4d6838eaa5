// Which links a backup stands on, and what breaks its chain.
import test from 'ava';
import {
  BackupChains,
  linkName,
  type ChainLink,
  type ChainMember,
  type KnownLinks,
} from '../../src/repository/backup-chain.ts';

/** A copy that began on that day of January; each one took 0x100 bytes of WAL. */
function copy(day: number, more: Partial<ChainLink> = {}): ChainMember {
  return {
    description: {
      id: day,
      startedAt: `2026-01-${String(day).padStart(2, '0')}T00:00:00.000Z`,
      systemIdentifier: '7000000000000000001',
      timeline: 1,
      startLsn: `0/${day}000028`,
      stopLsn: `0/${day}000128`,
      blockSize: 8192,
      walSegmentSize: 16_777_216,
      relationSegmentBlocks: 131_072,
      checksums: true,
      manifestCrc32c: day,
      ...more,
    },
  };
}

const nameOf = (day: number) => linkName(copy(day));

/** An incremental copy of that day, made from `parent`. */
function copyFrom({ description: parent }: ChainMember, day: number, more: Partial<ChainLink> = {}) {
  const incremental = {
    parent: linkName({ description: parent }),
    parentRequest: parent.id,
    fromLsn: parent.startLsn,
    fromTimeline: parent.timeline,
    parentManifestCrc32c: parent.manifestCrc32c,
    full: parent.incremental?.full ?? linkName({ description: parent }),
    links: (parent.incremental?.links ?? 0) + 1,
  };
  return copy(day, { incremental, timeline: parent.timeline, ...more });
}

const known = (backups: ChainMember[], more: Partial<KnownLinks<ChainMember>> = {}) =>
  new BackupChains({ backups, damaged: [], expiring: [], ...more });

const [full, first] = [copy(1), copyFrom(copy(1), 2)];
const second = copyFrom(first, 3);
const third = copyFrom(second, 4);
const days = (backups: readonly ChainMember[]) => backups.map(({ description }) => description.id);

test('a full copy is a chain by itself', (t) => {
  t.deepEqual(known([full]).of(full), { links: [full], broken: undefined });
});

test('a chain leads from the full copy to the backup, whatever the order of the list', (t) => {
  const chains = known([third, copy(5), first, full, second]);
  t.deepEqual(days(chains.require(third)), [1, 2, 3, 4]);
  t.deepEqual(days(chains.require(first)), [1, 2]);
});

test('the backup itself need not be in the list', (t) => {
  t.deepEqual(days(known([full, first]).require(second)), [1, 2, 3]);
});

test('of two incremental copies with one parent each has a chain of its own', (t) => {
  const other = copyFrom(first, 5);
  const chains = known([full, first, second, other]);
  t.deepEqual(days(chains.require(other)), [1, 2, 5]);
  t.deepEqual(days(chains.require(second)), [1, 2, 3]);
});

test('a chain of a hundred links is followed to its end', (t) => {
  const links = [copy(1)];
  for (let id = 2; id <= 100; id += 1)
    links.push(
      copyFrom(links.at(-1) as ChainMember, 2, {
        id,
        startLsn: `${id}/28`,
        stopLsn: `${id}/128`,
      }),
    );
  t.is(known(links).require(links.at(-1) as ChainMember).length, 100);
});

const gone: [string, Partial<KnownLinks<ChainMember>>, string][] = [
  ['missing', {}, 'is not in the repository'],
  ['expired', { expiring: [nameOf(2)] }, 'has expired'],
  [
    'damaged',
    { damaged: [{ name: nameOf(2), problem: '"backup.json" is cut off' }] },
    'cannot be used: "backup.json" is cut off',
  ],
];
for (const [how, more, problem] of gone) {
  test(`a link that is ${how} is named by every link behind it`, (t) => {
    const chains = known([full, second, third], more);
    t.deepEqual(chains.of(second), { links: [second], broken: { name: nameOf(2), problem } });
    t.deepEqual(chains.of(third), { links: [second, third], broken: { name: nameOf(2), problem } });
    t.is(chains.of(full).broken, undefined);
    t.throws(() => chains.require(third), {
      code: 'backup_chain_broken',
      message: `backup ${nameOf(4)} cannot be restored: its chain is broken at backup ${nameOf(2)}, which ${problem}`,
    });
  });
}

/** What takes the place of the parent, under its name, or of the child, and what is said of the parent. */
const unfit: Record<string, [ChainMember, ChainMember, RegExp]> = {
  'is of another system': [
    copyFrom(full, 2, { systemIdentifier: '7000000000000000002' }),
    second,
    /^is of the system 7000000000000000002, and backup \S+-3 of 7000000000000000001$/,
  ],
  'begins elsewhere': [
    copyFrom(full, 2, { startLsn: '0/2000060' }),
    second,
    /^begins at 0\/2000060 on timeline 1, and backup \S+-3 was made from one that begins at 0\/2000028 on timeline 1$/,
  ],
  'is on another timeline': [
    copyFrom(full, 2, { timeline: 2 }),
    second,
    /^begins at 0\/2000028 on timeline 2, and/,
  ],
  'is on the timeline before': [
    first,
    copyFrom(first, 3, { timeline: 2 }),
    /^is on timeline 1, and backup \S+-3 on timeline 2$/,
  ],
  'ends after its child begins': [
    copyFrom(full, 2, { stopLsn: '0/3000029' }),
    second,
    /^ends at 0\/3000029, which is not before backup \S+-3 begins \(0\/3000028\)$/,
  ],
  'has no data checksums': [
    copyFrom(full, 2, { checksums: false }),
    second,
    /^has another setting of data checksums \(false\) than backup \S+-3 \(true\)$/,
  ],
  'has other blocks': [
    copyFrom(full, 2, { blockSize: 16_384 }),
    second,
    /^has another block size \(16384\) than/,
  ],
  'has other segments': [
    copyFrom(full, 2, { walSegmentSize: 1_048_576 }),
    second,
    /^has another WAL segment size/,
  ],
  'has files of another length': [
    copyFrom(full, 2, { relationSegmentBlocks: 65_536 }),
    second,
    /^has another number of blocks per relation file/,
  ],
  'is of another chain': [
    copyFrom(copy(9), 2),
    second,
    /^is of the chain of \S+-9, and backup \S+-3 of that of \S+-1$/,
  ],
  'is a copy of a clone, made at the same moment under the same name': [
    copyFrom(full, 2, { manifestCrc32c: 7 }),
    second,
    /^has another backup_manifest than the copy of that name from which backup \S+-3 was made$/,
  ],
  'is another link of the chain': [
    first,
    copyFrom(copyFrom(first, 2), 3),
    /^is link 1 of its chain, and backup \S+-3 link 3$/,
  ],
};
for (const [how, [parent, child, problem]] of Object.entries(unfit)) {
  test(`a parent that ${how} is refused`, (t) => {
    const { broken } = known([full, parent, child]).of(child);
    t.is(broken?.name, nameOf(2));
    t.regex(String(broken?.problem), problem);
  });
}

test('a parent of another request with the same name is refused', (t) => {
  const { incremental } = first.description;
  if (incremental === undefined) throw new Error('it is incremental');
  const child = copy(2, { incremental: { ...incremental, parentRequest: 7 } });
  const { broken } = known([full, child]).of(child);
  t.is(broken?.problem, `is of request 1, and backup ${nameOf(2)} was made from that of request 7`);
});

test('backups that claim to be the parents of each other are refused', (t) => {
  const one = copy(2, { incremental: { ...incrementalOf(second), parent: nameOf(3), parentRequest: 3 } });
  const other = copyFrom(one, 3);
  const { links, broken } = known([one, other]).of(other);
  t.true(links.length <= 2);
  t.truthy(broken);
  const itself = copy(2, {
    incremental: { ...incrementalOf(first), parent: nameOf(2), parentRequest: 2, fromLsn: '0/2000028' },
  });
  t.regex(String(known([itself]).of(itself).broken?.problem), /^ends at .* which is not before/);
});

function incrementalOf({ description: { incremental } }: ChainMember) {
  if (incremental === undefined) throw new Error('it is a full copy');
  return incremental;
}

test('what stands on a link is found with it and without it, oldest first', (t) => {
  const other = copyFrom(full, 5);
  const all = [other, third, full, second, first, copy(6)];
  t.deepEqual(days(known(all).standingOn(nameOf(1))), [2, 3, 4, 5]);
  t.deepEqual(days(known(all).standingOn(nameOf(2))), [3, 4]);
  t.deepEqual(days(known(all).standingOn(nameOf(4))), []);
  t.deepEqual(
    days(known(all.filter((one) => one !== first)).standingOn(nameOf(2))),
    [3, 4],
    'the link is gone',
  );
});
