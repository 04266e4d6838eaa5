import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import {
  findRecorded,
  missingFrom,
  requireRecorded,
  type RecordedBackup,
} from '../../src/repository/recorded-backup.ts';
import { describedBackup } from '../support/described-backup.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const system = '7000000000000000001';
const label = 'START TIME: 2026-11-21 12:00:00 UTC\nLABEL: nightly\n';
const recorded: RecordedBackup = {
  id: 7,
  systemIdentifier: system,
  startLsn: '0/2000028',
  timeline: 1,
  backupLabel: label,
};

async function put(directory: string, startedAt: string, change: object = {}, text = label): Promise<string> {
  const name = `${startedAt.replaceAll(/[-:]|\.\d+/g, '')}-7`;
  const place = join(directory, 'backups', name);
  await mkdir(place, { recursive: true });
  await mkdir(`${place}.meta`);
  const segment = '000000010000000000000002';
  const wal = { startWal: segment, stopWal: segment, walSegmentSize: 1 << 24, stopLsn: '0/2000100' };
  const of = { id: 7, label: 'nightly', systemIdentifier: system, startLsn: recorded.startLsn, ...wal };
  const description = describedBackup({ ...of, startedAt, stoppedAt: startedAt, ...change });
  await writeFile(join(`${place}.meta`, 'backup.json'), description);
  await writeFile(join(`${place}.meta`, 'backup_label'), text);
  return name;
}

test('a backup is found by what its request has recorded, whatever its name says of the time', async (t) => {
  const directory = await temporaryDirectory(t);
  await put(directory, '2026-11-21T12:00:00.000Z', { startLsn: '0/3000028' });
  const name = await put(directory, '2030-01-01T00:00:00.000Z');
  t.true((await findRecorded(directory, recorded))?.directory.endsWith(name));
  t.true((await requireRecorded(directory, recorded, name)).directory.endsWith(name));
  t.deepEqual(await missingFrom(directory, [recorded]), []);
  await t.throwsAsync(requireRecorded(directory, recorded, '20261121T120000Z-7'), {
    code: 'no_such_backup',
    message: /has 20300101T000000Z-7, not 20261121T120000Z-7, as the backup of request 7/,
  });
});

test('another backup with the same id is not the one of the request, which is missing', async (t) => {
  const strangers: [object, string?][] = [
    [{ systemIdentifier: '7000000000000000002' }],
    [{ startLsn: '0/3000028' }],
    [{ timeline: 2 }],
    [{}, label.replace('12:00:00', '12:00:01')],
  ];
  for (const [change, text] of strangers) {
    const directory = await temporaryDirectory(t);
    const name = await put(directory, '2026-11-21T12:00:00.000Z', change, text);
    t.is(await findRecorded(directory, recorded), undefined);
    t.deepEqual(await missingFrom(directory, [recorded]), [recorded], JSON.stringify(change));
    await t.throwsAsync(requireRecorded(directory, recorded, null), {
      code: 'no_such_backup',
      message: new RegExp(`does not have the backup of request 7; ${name} is another backup with that id`),
    });
  }
});

test('a label in another encoding is the same, and a backup that is damaged is there', async (t) => {
  const directory = await temporaryDirectory(t);
  const name = await put(
    directory,
    '2026-11-21T12:00:00.000Z',
    {},
    label.replace('nightly', 'n\u00e4chtlich'),
  );
  t.deepEqual(await missingFrom(directory, [recorded]), []);
  const meta = join(directory, 'backups', `${name}.meta`);
  await rename(join(meta, 'backup.json'), join(meta, 'backup.json.away'));
  t.deepEqual(await missingFrom(directory, [recorded]), []);
  t.is(await findRecorded(directory, recorded), undefined);
});
