import test from 'ava';
import { parseBackupHistory, parseBackupLabel } from '../../src/postgres/backup-label.ts';

const label = `START WAL LOCATION: 0/3000028 (file 000000010000000000000003)
CHECKPOINT LOCATION: 0/3000080
BACKUP METHOD: streamed
BACKUP FROM: primary
START TIME: 2026-11-21 09:34:04 UTC
LABEL: STOP at: nothing
START TIMELINE: 1
`;
const history = label
  .replace('CHECKPOINT', 'STOP WAL LOCATION: 0/3000178 (file 000000010000000000000003)\nCHECKPOINT')
  .concat('STOP TIME: 2026-11-21 09:35:04 UTC\nSTOP TIMELINE: 1\n');

test('a label is read field by field', (t) => {
  const parsed = parseBackupLabel(Buffer.from(label));
  t.is(parsed.startLsn, 0x3000028n);
  t.is(parsed.checkpointLsn, 0x3000080n);
  t.is(parsed.startWal, '000000010000000000000003');
  t.is(parsed.label, 'STOP at: nothing');
  t.is(parsed.startTimeline, 1);
  t.is(parsed.backupFrom, 'primary');
});

test('a history file gives the label back byte for byte', (t) => {
  const parsed = parseBackupHistory(Buffer.from(history));
  t.is(parsed.labelBytes.toString(), label);
  t.is(parsed.stopLsn, 0x3000178n);
  t.is(parsed.stopWal, '000000010000000000000003');
});

test('bytes that are not UTF-8 stay what they are', (t) => {
  const bytes = Buffer.from(history.replace('nothing', 'caf\xe9'), 'latin1');
  t.deepEqual(
    parseBackupHistory(bytes).labelBytes,
    Buffer.from(label.replace('nothing', 'caf\xe9'), 'latin1'),
  );
});

test('what is missing is named', (t) => {
  t.throws(() => parseBackupLabel(Buffer.from(label.replace('CHECKPOINT LOCATION', 'X'))), {
    message: /no line "CHECKPOINT LOCATION"/,
  });
  t.throws(() => parseBackupHistory(Buffer.from(label)), { message: /no line "STOP WAL LOCATION"/ });
  t.throws(() => parseBackupLabel(Buffer.from(label.replace('(file', '(no file'))), { message: /malformed/ });
});
