import test from 'ava';
import { parseLsn } from '../../src/postgres/lsn.ts';
import {
  selectBackup,
  reasonAgainst,
  type BackupCandidate,
  type SelectionCriteria,
} from '../../src/recovery/select-backup.ts';
import { parseTime } from '../../src/recovery/recovery-target.ts';

/** One that lasted a minute, ending at that hour and LSN. */
function candidate(id: number, hour: number, stopLsn: string, timeline = 1): BackupCandidate {
  const at = (minute: number) => `2026-03-14T${String(hour).padStart(2, '0')}:0${minute}:00.000Z`;
  return { id, timeline, startedAt: at(0), stoppedAt: at(1), startLsn: '0/0', stopLsn };
}

const monday = candidate(1, 1, '0/3000000');
const tuesday = candidate(2, 2, '0/5000000');
const elsewhere = candidate(3, 3, '0/7000000', 1);
const second = candidate(4, 4, '0/8000000', 2);
const all = [tuesday, second, monday, elsewhere];

/** Timeline 2 left the first one at 0/6000000, 3 left the second at 0/9000000. */
const histories = new Map([
  [2, [{ timeline: 1, end: parseLsn('0/6000000') }]],
  [
    3,
    [
      { timeline: 1, end: parseLsn('0/6000000') },
      { timeline: 2, end: parseLsn('0/9000000') },
    ],
  ],
]);

const latest: SelectionCriteria = { target: { kind: 'latest' }, timeline: 'latest' };
const lsn = (text: string, timeline: SelectionCriteria['timeline'] = 'latest'): SelectionCriteria => ({
  target: { kind: 'lsn', lsn: parseLsn(text), exclusive: false },
  timeline,
});
const time = (text: string, timeline: SelectionCriteria['timeline'] = 'latest'): SelectionCriteria => ({
  target: { kind: 'time', at: parseTime(text), exclusive: false },
  timeline,
});

test('without a target it is the newest backup', (t) => {
  t.is(selectBackup([monday, tuesday], latest, new Map()).backup.id, 2);
});

test('it is the one with most of the history, whatever the clock was by which it was dated', (t) => {
  const ahead = { ...monday, stoppedAt: '2027-04-18T01:01:00.000Z' };
  t.is(selectBackup([tuesday, ahead], latest, new Map()).backup.id, 2);
  t.is(selectBackup([second, ahead], latest, histories).backup.id, 4, 'on a later timeline');
  const behind = { ...second, stoppedAt: '2000-01-01T00:01:00.000Z' };
  t.is(selectBackup([behind, tuesday], latest, histories).backup.id, 4);
});

test('it is the newest one that had ended before the target', (t) => {
  t.is(selectBackup([monday, tuesday], time('2026-03-14 02:01:00Z'), new Map()).backup.id, 2);
  t.is(selectBackup([monday, tuesday], time('2026-03-14 02:00:59.999999Z'), new Map()).backup.id, 1);
  t.is(selectBackup([monday, tuesday], lsn('0/5000000'), new Map()).backup.id, 2);
  t.is(selectBackup([monday, tuesday], lsn('0/4FFFFFF'), new Map()).backup.id, 1);
});

test('one that was made while the clock was behind is not restored to a time', (t) => {
  const behind = { ...tuesday, startedAt: '2026-03-13T00:00:00.000Z', stoppedAt: '2026-03-13T00:01:00.000Z' };
  t.is(selectBackup([monday, behind], time('2026-03-14 01:30:00Z'), new Map()).backup.id, 1);
  t.throws(() => selectBackup([behind, monday], time('2026-03-13 00:30:00Z'), new Map()), {
    message: /backup 1 is the oldest, and it ended at 2026-03-14T01:01:00.000Z, after/,
  });
  t.regex(
    String(
      reasonAgainst(
        behind,
        [{ timeline: 1, begin: 0n, end: undefined }],
        time('2026-03-14 01:30:00Z'),
        undefined,
      ),
    ),
    /the clock was behind, and nothing tells when it ended/,
  );
  // Of two at the same time, the one that has more WAL may have been noted first.
  const early = { ...tuesday, startedAt: monday.startedAt, stoppedAt: '2026-03-14T01:00:30.000Z' };
  t.is(selectBackup([monday, early], time('2026-03-14 01:30:00Z'), new Map()).backup.id, 2);
  // One that was made while the clock was ahead says nothing of those after it.
  const ahead = { ...monday, startedAt: '9999-04-18T01:00:00.000Z', stoppedAt: '9999-04-18T01:01:00.000Z' };
  t.is(selectBackup([ahead, tuesday], time('2026-03-14 03:00:00Z'), new Map()).backup.id, 2);
});

test('a backup beyond the place where its timeline was left is passed over', (t) => {
  const { backup, path, passedOver } = selectBackup([monday, tuesday, elsewhere], latest, histories);
  t.is(backup.id, 2);
  t.deepEqual(
    path.map(({ timeline }) => timeline),
    [1, 2, 3],
  );
  t.deepEqual(
    passedOver.map(({ id }) => id),
    [3],
  );
});

test('a timeline that is asked for decides which backups lead to it', (t) => {
  t.is(selectBackup(all, { ...latest, timeline: 1 }, histories).backup.id, 3);
  t.is(selectBackup(all, { ...latest, timeline: 2 }, histories).backup.id, 4);
  t.is(selectBackup(all, lsn('0/7800000', 3), histories).backup.id, 2);
  t.is(selectBackup(all, { ...latest, timeline: 'current' }, histories).backup.id, 4);
});

test('where none will do, the error says why', (t) => {
  t.throws(() => selectBackup([], latest, histories), { message: /no backup of this cluster/ });
  t.throws(() => selectBackup(all, time('2026-03-14 00:30:00Z'), histories), {
    message: /backup 1 is the oldest, and it ended at 2026-03-14T01:01:00.000Z, after 2026-03-14 00:30:00/,
  });
  t.throws(() => selectBackup([second], { ...latest, timeline: 1 }, histories), {
    message: /on timeline 2, which is not on the way to timeline 1/,
  });
});
