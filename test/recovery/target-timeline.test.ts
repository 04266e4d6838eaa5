import test from 'ava';
import { parseLsn } from '../../src/postgres/lsn.ts';
import { branchesOff, lostTimelines, nextTimeline } from '../../src/recovery/target-timeline.ts';
import { spansTo } from '../../src/postgres/timeline-history.ts';
import type { ArchiveContents } from '../../src/repository/archive-content.ts';

const left = (timeline: number, at: string) => ({ timeline, end: parseLsn(at) });
const segment2 = '000000020000000000000006';

/** A backup of timeline 1 that ended at 0/5000000, restored to the end of that timeline. */
function question(histories: ArchiveContents['histories'], segments: string[] = []) {
  const at = '2026-03-14T01:00:00.000Z';
  return {
    wish: { target: { kind: 'latest' }, timeline: 1 } as const,
    backup: {
      id: 1,
      timeline: 1,
      startedAt: at,
      stoppedAt: at,
      startLsn: '0/4000000',
      stopLsn: '0/5000000',
      walSegmentSize: 16 << 20,
    },
    path: spansTo(1, histories),
    archive: { histories, segments: new Set(segments) },
    backups: [],
    clusterDirectory: '/nowhere',
  };
}

test('what others have begun behind the backup is told, with the place and the number that is left', (t) => {
  const asked = question(new Map([[2, [left(1, '0/6000000')]]]));
  t.deepEqual(branchesOff(asked), [
    'another server has gone on from here and archived: timeline 2, which left timeline 1 at 0/6000000; the restored server begins timeline 3',
  ]);
  t.is(nextTimeline(asked), 3);
});

test('what was begun before the backup ended is not told, nor what came of another timeline', (t) => {
  t.deepEqual(branchesOff(question(new Map([[2, [left(1, '0/4FFFFFF')]]]))), []);
  const second = [left(1, '0/4000000')];
  t.deepEqual(
    branchesOff(
      question(
        new Map([
          [2, second],
          [3, [...second, left(2, '0/7000000')]],
        ]),
      ),
    ),
    [],
  );
});

test('a lost history file is named with what shows that it is lost; where the number would be taken twice, that is said', (t) => {
  t.deepEqual(lostTimelines(question(new Map())), []);
  t.deepEqual(lostTimelines(question(new Map(), [segment2])), [
    `the archive has ${segment2}, but not 00000002.history: the restored server begins a timeline 2 of its own, which must not be archived there`,
  ]);
  const third = question(new Map([[3, [left(1, '0/6000000'), left(2, '0/6000000')]]]));
  t.regex(String(lostTimelines(third)), /has 00000003\.history, but not 00000002\.history/);
  const through = { ...third, path: spansTo(3, third.archive.histories) };
  t.deepEqual(lostTimelines(through), ['the archive has 00000003.history, but not 00000002.history']);
});
