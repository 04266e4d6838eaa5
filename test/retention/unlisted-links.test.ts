// What has to be listed again after an expiry was killed, because others cannot be restored without it.
import test from 'ava';
import { linkName } from '../../src/repository/backup-chain.ts';
import { neededUnlisted, type CopyWithPages, type UnlistedCopy } from '../../src/retention/unlisted-links.ts';

function copy(id: number, parent?: CopyWithPages, damagedPages: unknown[] = []): CopyWithPages {
  const incremental = parent && {
    parent: linkName(parent),
    parentRequest: parent.description.id,
    fromLsn: parent.description.startLsn,
    fromTimeline: 1,
    parentManifestCrc32c: 0,
    full: parent.description.incremental?.full ?? linkName(parent),
    links: (parent.description.incremental?.links ?? 0) + 1,
  };
  return {
    description: {
      id,
      startedAt: `2026-01-0${id}T00:00:00.000Z`,
      systemIdentifier: '7000000000000000001',
      timeline: 1,
      startLsn: `0/${id}000028`,
      stopLsn: `0/${id}000128`,
      blockSize: 8192,
      walSegmentSize: 16_777_216,
      relationSegmentBlocks: 131_072,
      checksums: true,
      manifestCrc32c: 0,
      damagedPages,
      ...(incremental && { incremental }),
    },
  };
}

const unlisted = ({ description }: CopyWithPages, more: Partial<UnlistedCopy> = {}): UnlistedCopy => ({
  name: linkName({ description }),
  isWhole: true,
  description,
  reasons: [],
  ...more,
});
/** Files of it have been removed. */
const torn = (backup: CopyWithPages) => unlisted(backup, { isWhole: false, description: undefined });

const full = copy(1);
const first = copy(2, full);
const second = copy(3, first);
const other = copy(9);
const needed = (listed: CopyWithPages[], off: UnlistedCopy[], damaged: string[] = []) =>
  Object.fromEntries(neededUnlisted({ listed, unlisted: off, damaged: new Set(damaged) }));
const forIt = (name: string) => `backup ${name} cannot be restored without it`;

test('a whole chain that was being removed goes, where another backup is sound', (t) => {
  t.deepEqual(needed([other], [unlisted(full), unlisted(first), unlisted(second)]), {});
});

test('a parent is listed again for a child that is listed', (t) => {
  t.deepEqual(needed([other, first], [unlisted(full)]), { [linkName(full)]: forIt(linkName(first)) });
  t.deepEqual(needed([other, first], [torn(full)]), {}, 'unless files of it are gone');
});

test('with a child that is held all its links are listed again', (t) => {
  const off = [unlisted(full), unlisted(first), unlisted(second, { reasons: ['keep is set'] })];
  t.deepEqual(needed([other], off), {
    [linkName(full)]: forIt(linkName(second)),
    [linkName(first)]: forIt(linkName(second)),
  });
});

test('where nothing that is listed is sound, a whole chain is listed again', (t) => {
  const none = 'none of those that are left is known to be sound';
  const off = [unlisted(full), unlisted(first)];
  t.deepEqual(needed([], off), { [linkName(full)]: forIt(linkName(first)), [linkName(first)]: none });
  t.deepEqual(Object.keys(needed([copy(9, undefined, [{}])], off)), [linkName(full), linkName(first)]);
  t.deepEqual(needed([], [unlisted(full)], [linkName(full)]), {}, 'but for one that is damaged');
});

test('an incremental copy without its links is not sound, and takes the place of none', (t) => {
  t.deepEqual(Object.keys(needed([first], [unlisted(full)])), [linkName(full)]);
  t.deepEqual(Object.keys(needed([second], [unlisted(other)])), [linkName(other)], 'its chain is broken');
  t.deepEqual(Object.keys(needed([full, first], [unlisted(other)], [linkName(full)])), [linkName(other)]);
});
