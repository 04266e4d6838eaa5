import { closeSync, openSync, writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import test from 'ava';
import { isLookedThrough } from '../../src/repository/examined-wal.ts';
import { compressHere } from '../../src/repository/compressed-here.ts';
import { archivedPath } from '../../src/repository/wal-archive.ts';
import { SegmentExamination } from '../../src/wal/examine-segment.ts';
import { MB, segment1, segmentBytes } from '../support/wal.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const segment2 = '000000010000000000000002';
const segment2OfNext = '000000020000000000000002';

test('a record that begins in the segment before is found, on the timeline before as well, and odd WAL is no error', async (t) => {
  const clusterDirectory = await temporaryDirectory(t);
  const before = segmentBytes({ fill: '' });
  const record = Buffer.alloc(32);
  record.writeUInt32LE(70, 0);
  record.writeUInt8(5, 17);
  record.writeUInt8(255, 24);
  record.copy(before, MB - 32);
  const path = archivedPath(clusterDirectory, segment1);
  await mkdir(dirname(path), { recursive: true });
  const keep = (content: Buffer) => {
    const file = openSync(path, 'w');
    writeSync(file, content);
    closeSync(file);
  };
  keep(compressHere(before, 1));
  const finds = (name: string, flags: number, rest: number) => {
    const pages = segmentBytes({ name: segment2, fill: '' });
    pages.writeUInt16LE(flags, 2);
    pages.writeUInt32LE(rest, 16);
    const look = new SegmentExamination(name, clusterDirectory);
    look.meet(pages);
    return look.isSuspect;
  };
  t.true(finds(segment2, 3, 38));
  t.true(finds(segment2OfNext, 3, 38));
  t.false(finds(segment2, 3, 38_000), 'what goes on is longer');
  t.false(finds(segment2, 2, 38), 'nothing goes on');
  keep(Buffer.from('nothing of the kind'));
  t.false(finds(segment2, 3, 38));
  const odd = new SegmentExamination(segment2, clusterDirectory);
  for (const length of [0, 3, 41]) odd.meet(Buffer.alloc(length, 0xff));
  t.false(odd.isSuspect);
});

test('segments up to the one that a restore has seen are looked through, but for those of later timelines', (t) => {
  t.true(isLookedThrough(segment1, segment2));
  t.true(isLookedThrough(segment2, segment2));
  t.false(isLookedThrough('000000010000000100000001', segment2));
  t.false(isLookedThrough(segment2OfNext, segment2));
  t.false(isLookedThrough(segment1, 'nothing'));
});
