// Which backup is the newest, where the clocks by which they were dated were wrong.
import test from 'ava';
import { parseLsn } from '../../src/postgres/lsn.ts';
import { unlessAhead } from '../../src/retention/expiry-candidates.ts';
import { type ExpiryCandidate } from '../../src/retention/expiry-candidate.ts';
import { decideBackups, type RetentionRules } from '../../src/retention/decide-backups.ts';
import { newestFirst } from '../../src/postgres/backup-order.ts';

const present = Date.UTC(2026, 10, 29);
const day = 86_400_000;
const histories = new Map([[2, [{ timeline: 1, end: parseLsn('0/45000000') }]]]);

/** `at`: days before the present. */
function backup(id: number, at: number, more: Partial<ExpiryCandidate> = {}): ExpiryCandidate {
  const stopLsn = parseLsn(`0/${id}0000000`);
  return {
    name: `backup-${id}`,
    id,
    method: 'copy',
    systemIdentifier: '7',
    timeline: 1,
    startLsn: stopLsn - 256n,
    stopLsn,
    startWal: `00000001000000000000000${id}`,
    stopWal: `00000001000000000000000${id}`,
    stoppedAt: new Date(present - at * day),
    isSound: true,
    requester: 'role alice',
    held: [],
    isRead: false,
    isBegun: false,
    ...more,
  };
}

const order = (...backups: ExpiryCandidate[]) =>
  newestFirst(backups, { histories, systemIdentifier: '7' }).map(({ id }) => id);

test('along one history the newest backup is the one with most of it, whatever its date', (t) => {
  t.deepEqual(order(backup(1, 3), backup(2, 2), backup(3, 1)), [3, 2, 1]);
  t.deepEqual(order(backup(1, -400), backup(2, 2), backup(3, 1)), [3, 2, 1], 'a clock was ahead');
  t.deepEqual(order(backup(1, 3), backup(2, 2), backup(3, 20_000)), [3, 2, 1], 'or behind');
  const on2 = { timeline: 2 };
  t.deepEqual(order(backup(4, 1), backup(5, 2, on2)), [5, 4], 'the timeline was left after it');
  t.deepEqual(order(backup(5, 1), backup(6, 2, on2)), [5, 6], 'before it: only the dates say');
  t.deepEqual(order(backup(7, 2), backup(6, 1, on2)), [6, 7], 'as after a recovery to a point in time');
});

test('of other systems only the dates count, and a wrong one moves no other backup far', (t) => {
  const old = { systemIdentifier: '6' };
  const olds = [1, 2, 3].map((id) => backup(id, 10 - id, old));
  t.deepEqual(order(...olds, backup(4, 3), backup(5, 2), backup(6, 20_000)), [6, 5, 3, 2, 1, 4]);
  t.deepEqual(order(...olds, backup(1, 3)).length, 4);
  t.deepEqual(order(backup(1, 2, { ...old, timeline: 1 }), backup(5, 3, { timeline: 2 })), [1, 5]);
});

const rules: RetentionRules = {
  keepLast: 3,
  keepDaily: null,
  keepWeekly: null,
  keepMonthly: null,
  timeZone: 'UTC',
  keepSince: null,
  recoverSince: new Date(present),
};

test('a backup that is dated in the future stays, and takes no place of another one', (t) => {
  const now = new Date(present);
  const all = [1, 2, 3].map((id) => backup(id, id - 400));
  all.push(...[4, 5, 6, 7].map((id) => backup(id, 8 - id)));
  const branches = [{ timeline: 1, histories, systemIdentifier: '7' }];
  const decided = decideBackups(
    all.map((one) => unlessAhead(one, now)),
    rules,
    branches,
  );
  t.deepEqual(
    decided.filter(({ goes }) => goes).map(({ backup: { id } }) => id),
    [4],
  );
  t.regex(
    String(decided[0]?.reasons),
    /^it is dated in the future \(20\d\d-.*Z\), and counts for no other one/,
  );
  const later = new Date(present + 1000 * day);
  t.deepEqual(
    decideBackups(
      all.map((one) => unlessAhead(one, later)),
      { ...rules, recoverSince: later },
      branches,
    )
      .filter(({ goes }) => goes)
      .map(({ backup: { id } }) => id),
    [1, 2, 3, 4],
    'and once its date is past, it is as old as its place in the WAL says',
  );
  const soon = backup(1, -1 / 1440);
  t.is(unlessAhead(soon, now), soon, 'clocks differ by a little');
});

test('backups that were made while the clock was behind shorten no window', (t) => {
  const branches = [{ timeline: 1, histories, systemIdentifier: '7' }];
  const going = (all: ExpiryCandidate[], more: Partial<RetentionRules>) =>
    decideBackups(all, { ...rules, keepLast: null, recoverSince: null, ...more }, branches)
      .filter(({ goes }) => goes)
      .map(({ backup: { id } }) => id);
  const twoWeeks = new Date(present - 14 * day);
  const behind = [backup(1, 20), backup(2, 10), backup(3, 32), backup(4, 31), backup(5, 0)];
  t.deepEqual(going(behind, { recoverSince: twoWeeks }), [], 'the window begins with the first');
  t.deepEqual(going(behind, { keepSince: twoWeeks }), [1], 'the third was made after the second');
  const ahead = { ...backup(1, -400), isAhead: true };
  t.deepEqual(
    going([ahead, backup(2, 40), backup(3, 0)], { keepSince: twoWeeks }),
    [2],
    'one that is ahead keeps no other',
  );
});
