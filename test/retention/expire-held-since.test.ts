// What an expiry that was killed has taken off the lists, and something holds by now.
import { existsSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import ava from 'ava';
import {
  relistBackup,
  removeFiles,
  unlistBackup,
  unlistedBackups,
} from '../../src/repository/expired-backup.ts';
import { retentionStage, segment, type RetentionStage } from '../support/retention-stage.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { describedBackup } from '../support/described-backup.ts';
import { mkdir, writeFile } from 'node:fs/promises';

const test = ava.serial;

const placeOf = ({ directory, names }: RetentionStage, at: number) =>
  join(directory, 'backups', String(names[at]));

/** As an expiry does before it removes files. The database was restored to a time before it was told. */
async function unlist(stage: RetentionStage, at: number): Promise<void> {
  const text = await readFile(join(`${placeOf(stage, at)}.meta`, 'backup.json'), 'utf8');
  const { startLsn, stoppedAt, systemIdentifier } = JSON.parse(text) as Record<string, string>;
  const backup = String(stage.names[at]);
  const of = { startLsn, stoppedAt, systemIdentifier, request: Number(stage.ids[at]) };
  const why = { cluster: 'main', backup, method: 'copy', reason: 'old', policy: '{}', ...of };
  await unlistBackup(stage.directory, backup, why);
}

const hold = (stage: RetentionStage, at: number) =>
  stage.operator.query('insert into holdfast.legal_hold (request_id, reason) values ($1, $2)', [
    stage.ids[at],
    'court',
  ]);

const forget = (stage: RetentionStage) =>
  stage.superuser.query(
    `begin; set local session_replication_role = replica; delete from holdfast.legal_hold; commit`,
  );

test('what is held by now is put back on the list if it is whole, and said to be lost if it is not', async (t) => {
  const stage = await retentionStage(t, { backups: 6 });
  const { names } = stage;
  await stage.policy({ keep_last: 6, recovery_window: '0' });
  await hold(stage, 1);
  await stage.expired(); // brings it beside the backup
  await forget(stage);
  await stage.policy({ keep_last: 1, recovery_window: '0' });
  for (const at of [0, 1, 2, 3]) await unlist(stage, at);
  await hold(stage, 0); // a database that knows of no removal accepts it
  await hold(stage, 2);
  await rm(join(`${placeOf(stage, 2)}.expired`, 'base.tar.zst'));

  const would = await stage.expired(['--dry-run']);
  t.deepEqual(
    would.relisted.map(({ backup }) => backup),
    names.slice(0, 2),
  );
  t.deepEqual(would.finished, names.slice(2, 4));
  const { status, stdout, stderr } = await stage.expire();
  t.is(status, 0, stderr);
  t.true(stdout.includes(`${names[0]}: an earlier expiry had begun with it, and it is back on the list`));
  t.regex(stdout, /back on the list: it is under legal hold: court\n/);
  t.regex(stdout, /back on the list: it is under legal hold: court \(by .* this database does not know it\)/);
  t.regex(stderr, /had removed files of a backup that is held now/);
  t.true(stderr.includes(String(names[2])));
  const whole = [0, 1, 5].flatMap((at) => [String(names[at]), `${names[at]}.meta`]);
  t.deepEqual(await stage.listed(), whole.sort());
  t.deepEqual(await stage.segments(), [2, 4, 12, 13].map(segment), 'with the WAL that they need');
  t.false(existsSync(join(`${placeOf(stage, 0)}.meta`, 'expiry.json')));
  const { stays, relisted } = await stage.expired();
  t.is(stays.length, 3);
  t.deepEqual(relisted, []);
});

test('a whole backup is put back on the list where no other one is known to be sound', async (t) => {
  const stage = await retentionStage(t, { backups: 2 });
  const { names } = stage;
  await stage.policy({ keep_last: 1 });
  await unlist(stage, 0);
  await stage.superuser.query(
    `insert into holdfast.backup_verification
       (request_id, cluster, backup, started_at, finished_at, ok, files, bytes, segments, problems)
     values ($1, 'main', $2, now(), now(), false, 0, 0, 0, '{damaged}')`,
    [stage.ids[1], names[1]],
  );
  const { relisted, finished, goes } = await stage.expired();
  t.deepEqual(relisted, [
    { backup: String(names[0]), reasons: ['none of those that are left is known to be sound'] },
  ]);
  t.deepEqual([finished, goes], [[], []]);
  t.deepEqual(await stage.listed(), names.flatMap((name) => [name, `${name}.meta`]).sort());
});

test('a backup is whole until the first of its files goes, and can be put back until then', async (t) => {
  const directory = await temporaryDirectory(t);
  const name = '20261121T120000Z-7';
  const place = join(directory, 'backups', name);
  const make = async () => {
    await mkdir(place, { recursive: true });
    for (const file of ['base.tar.zst', 'backup_manifest']) await writeFile(join(place, file), file);
    await mkdir(`${place}.meta`);
    const times = { startedAt: '2026-11-21T12:00:00.000Z', stoppedAt: '2026-11-21T12:01:00.000Z' };
    const wal = { startWal: segment(2), stopWal: segment(2), walSegmentSize: 1 << 24 };
    const lsns = { systemIdentifier: '7', startLsn: '0/2000028', stopLsn: '0/2000100' };
    const text = describedBackup({ id: 7, label: 'seven', ...times, ...wal, ...lsns });
    await writeFile(join(`${place}.meta`, 'backup.json'), text);
    await unlistBackup(directory, name, { why: 'old' });
  };
  const isWhole = async () => (await unlistedBackups(directory)).map((one) => one.isWhole);
  await make();
  t.deepEqual(await isWhole(), [true]);
  await relistBackup(directory, name);
  t.deepEqual(await isWhole(), []);
  t.deepEqual(await readdir(join(directory, 'backups')), [name, `${name}.meta`]);
  t.deepEqual(await readdir(`${place}.meta`), ['backup.json']);

  await unlistBackup(directory, name, { why: 'old' });
  await rm(join(`${place}.expired`, 'backup_manifest'));
  t.deepEqual(await isWhole(), [false], 'a file is missing');
  await rm(join(directory, 'backups'), { recursive: true });
  await make();
  await removeFiles(directory, name);
  t.deepEqual(await isWhole(), [false]);
  await mkdir(`${place}.expired`);
  for (const file of ['base.tar.zst', 'backup_manifest']) await writeFile(join(`${place}.expired`, file), '');
  t.deepEqual(await isWhole(), [false], 'removing had begun, whatever is there yet');
});
