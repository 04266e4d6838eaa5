import test from 'ava';
import { parseTimelineHistory } from '../../src/postgres/timeline-history.ts';
import { segmentName } from '../../src/postgres/wal-segment.ts';
import { archivedRunsOf } from '../../src/wal/archived-runs.ts';

const MB = 1 << 20;
const size = 16 * MB;

/** `1: 1-3 7` is timeline 1 with segments 1, 2, 3 and 7. */
function names(text: string): string[] {
  return text.split('; ').flatMap((part) => {
    const [timeline = '', spans = ''] = part.split(': ');
    return spans.split(' ').flatMap((span) => {
      const [from = 0, to = from] = span.split('-').map(Number);
      return Array.from({ length: to - from + 1 }, (_, n) =>
        segmentName({ timeline: Number(timeline), number: BigInt(from + n) }, size),
      );
    });
  });
}

/** As `1: 1-3` and what is missing before it and what it follows. */
function shown(text: string, histories: Record<number, string> = {}): string[] {
  const parsed = Object.entries(histories).map(
    ([timeline, history]) =>
      [Number(timeline), parseTimelineHistory(Buffer.from(history), Number(timeline))] as const,
  );
  return archivedRunsOf(names(text), new Map(parsed), size).map(({ timeline, from, to, missing, follows }) =>
    [
      `${timeline}: ${from}-${to}`,
      missing &&
        `missing ${missing.from.timeline}/${missing.from.number} to ${missing.to.timeline}/${missing.to.number}`,
      follows && `follows ${follows.timeline}/${follows.from}`,
    ]
      .filter(Boolean)
      .join(', '),
  );
}

test('segments that follow each other are one run, across the end of a log', (t) => {
  t.deepEqual(shown('1: 250-260'), ['1: 250-260']);
  t.deepEqual(shown('1: 5'), ['1: 5-5']);
  t.deepEqual(archivedRunsOf([], new Map(), size), []);
});

test('a hole is named, of one segment or many', (t) => {
  t.deepEqual(shown('1: 1-3 5-6 10'), [
    '1: 1-3',
    '1: 5-6, missing 1/4 to 1/4',
    '1: 10-10, missing 1/7 to 1/9',
  ]);
});

test('with segments of 1 GB a log has four', (t) => {
  const four = ['000000010000000000000002', '000000010000000000000003', '000000010000000100000000'];
  t.deepEqual(
    archivedRunsOf(four, new Map(), 1024 * MB).map(({ from, to }) => [from, to]),
    [[2n, 4n]],
  );
});

// The switch is in segment 5.
const branch = { 2: '1\t0/5000100\tno recovery target specified\n' };

test('a timeline continues the one that it branched off, in the segment of the switch', (t) => {
  t.deepEqual(shown('1: 1-4; 2: 5-7', branch), ['1: 1-4', '2: 5-7, follows 1/1']);
  t.deepEqual(shown('1: 1-5; 2: 5-7', branch), ['1: 1-5', '2: 5-7, follows 1/1']);
  t.deepEqual(shown('1: 1-9; 2: 5-7', branch), ['1: 1-9', '2: 5-7, follows 1/1']);
});

test('what is missing around a switch is missing on the timeline that needs it', (t) => {
  t.deepEqual(shown('1: 1-3; 2: 5-7', branch), ['1: 1-3', '2: 5-7, missing 1/4 to 1/4']);
  t.deepEqual(shown('1: 1-5; 2: 6-7', branch), ['1: 1-5', '2: 6-7, missing 2/5 to 2/5']);
  t.deepEqual(shown('1: 1-2; 2: 7', branch), ['1: 1-2', '2: 7-7, missing 1/3 to 2/6']);
});

test('a timeline whose ancestors have been expired has nothing missing at its beginning', (t) => {
  t.deepEqual(shown('2: 5-7', branch), ['2: 5-7']);
  t.deepEqual(shown('1: 8-9; 2: 5-7', branch), ['1: 8-9', '2: 5-7']);
});

test('a switch at the very beginning of a segment needs nothing of the old timeline there', (t) => {
  t.deepEqual(shown('1: 1-4; 2: 5', { 2: '1\t0/5000000\tx\n' }), ['1: 1-4', '2: 5-5, follows 1/1']);
});

test('of several switches each timeline follows its own parent', (t) => {
  const histories = {
    2: '1\t0/5000100\tx\n',
    3: '1\t0/5000100\tx\n2\t0/7000100\tx\n',
    4: '1\t0/3000100\tx\n',
  };
  t.deepEqual(shown('1: 1-5; 2: 5-7; 3: 7-8; 4: 3-4', histories), [
    '1: 1-5',
    '2: 5-7, follows 1/1',
    '3: 7-8, follows 2/5',
    '4: 3-4, follows 1/1',
  ]);
});

test('a timeline without a history file is taken as it is', (t) => {
  t.deepEqual(shown('1: 1-4; 3: 9'), ['1: 1-4', '3: 9-9']);
});
