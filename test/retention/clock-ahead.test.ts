// Which clocks are believed: "now" against what is dated.
import test from 'ava';
import { findLeap, type ClockQuestion } from '../../src/retention/clock-ahead.ts';

const day = 86_400_000;
const present = Date.UTC(2026, 10, 29);
/** So many days before the present; after it where negative. */
const ago = (days: number) => ({ at: new Date(present - days * day), what: `${days} days ago` });
const daysAgo = (days: readonly number[]) => days.map(ago);

/** What lies on both sides of the leap; undefined: the clock is believed. */
function leap({
  ahead = 0,
  accepted,
  evidence = [],
  windows = [30],
}: {
  /** Days that the clock has leapt. */
  ahead?: number;
  accepted?: number;
  evidence?: number[];
  windows?: number[];
}): [string, string] | undefined {
  const question: ClockQuestion = {
    now: ago(-ahead).at,
    accepted: accepted === undefined ? undefined : ago(accepted),
    evidence: daysAgo(evidence),
    windows: windows.map((days) => days * day),
  };
  const found = findLeap(question);
  return found && [found.from.what, found.to.what];
}

test('a clock that leads from the last accepted time in short steps is believed', (t) => {
  t.is(leap({ accepted: 1 }), undefined);
  t.is(leap({ accepted: 7 }), undefined, 'a quarter of the window');
  t.is(leap({ accepted: 3, windows: [7] }), undefined, 'a long weekend');
  t.is(leap({ accepted: 40, evidence: [33, 26, 19, 12, 5] }), undefined, 'a backup each week');
  t.is(leap({ evidence: [33, 26, 19, 12, 5] }), undefined, 'nothing has been accepted yet');
  t.is(leap({}), undefined, 'nothing is dated');
});

test('a clock that has leapt is not believed, whatever was dated by it since', (t) => {
  t.deepEqual(leap({ ahead: 400, accepted: 1 }), ['1 days ago', 'the clock']);
  t.deepEqual(leap({ ahead: 400, evidence: [3, 2, 1] }), ['1 days ago', 'the clock']);
  t.deepEqual(leap({ ahead: 400, accepted: 1, evidence: [2, -399, -400] }), ['1 days ago', '-399 days ago']);
  t.deepEqual(leap({ ahead: 8, accepted: 0 }), ['0 days ago', 'the clock']);
  t.deepEqual(leap({ ahead: 4, accepted: 0, windows: [7, 100] }), ['0 days ago', 'the clock'], 'the shorter');
});

test('a leap is over when the cluster has lived with it for as long as the longest rule reaches', (t) => {
  const since = (days: number) => Array.from({ length: days + 1 }, (_, at) => at);
  t.deepEqual(leap({ accepted: 120, evidence: since(20) }), ['120 days ago', '20 days ago']);
  t.is(leap({ accepted: 120, evidence: since(30) }), undefined);
  t.deepEqual(leap({ accepted: 120, evidence: since(30), windows: [30, 60] }), [
    '120 days ago',
    '30 days ago',
  ]);
});

test('rules that ask no clock, and one that was set back, stop nothing', (t) => {
  t.is(leap({ ahead: 400, accepted: 0, windows: [] }), undefined);
  t.is(leap({ ahead: 400, accepted: 0, windows: [0] }), undefined);
  t.is(leap({ accepted: -400, evidence: [-399, 0] }), undefined);
  t.is(leap({ accepted: 1, evidence: [-400] }), undefined);
});
