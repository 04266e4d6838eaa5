// What is under legal hold or kept according to the control database stays, whatever has become of what lies beside it in
// the repository; and the other way round (holds-beside.test.ts).
import { existsSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ava from 'ava';
import { unlistBackup } from '../../src/repository/expired-backup.ts';
import { formatRepositoryBackup, parseRepositoryBackup } from '../../src/repository/repository-backup.ts';
import { holdfast } from '../support/process.ts';
import { retentionStage, systemIdentifier, type RetentionStage } from '../support/retention-stage.ts';

const test = ava.serial;
const keepsOne = { keep_last: 1, recovery_window: '0' };
const namesOf = (backups: { backup: string }[]) => backups.map(({ backup }) => backup);
const placeOf = ({ directory, names }: RetentionStage, at: number) =>
  join(directory, 'backups', String(names[at]));

/** The first backup is under legal hold, and the second one kept; nothing beside them says so. */
async function heldByRowsOnly(stage: RetentionStage): Promise<void> {
  const { operator, ids } = stage;
  await operator.query(`insert into holdfast.legal_hold (request_id, reason) values ($1, 'court')`, [ids[0]]);
  await operator.query('update holdfast.backup_request set keep = true where id = $1', [ids[1]]);
  await stage.policy(keepsOne);
}

/** As by hand, or by a copy that was cut off: no expiry has noted it. */
async function takeOffTheLists(stage: RetentionStage, at: number): Promise<void> {
  const place = placeOf(stage, at);
  await rename(`${place}.meta`, `${place}.meta.expired`);
  await rename(place, `${place}.expired`);
}

async function describe(stage: RetentionStage, at: number, change: object): Promise<void> {
  const file = join(`${placeOf(stage, at)}.meta`, 'backup.json');
  const backup = parseRepositoryBackup(file, await readFile(file));
  await writeFile(file, formatRepositoryBackup({ ...backup, ...change }));
}

test('whole backups that no expiry has noted are put back on the list, and the database is asked', async (t) => {
  const stage = await retentionStage(t);
  const { names } = stage;
  await heldByRowsOnly(stage);
  for (const at of [0, 1, 2]) await takeOffTheLists(stage, at);
  const would = await stage.expired(['--dry-run']);
  t.deepEqual([would.finished, namesOf(would.relisted)], [[], names.slice(0, 3)]);
  const { finished, relisted, goes } = await stage.expired();
  t.deepEqual([finished, namesOf(relisted)], [[], names.slice(0, 3)]);
  t.regex(String(relisted[0]?.reasons), /it is under legal hold: court/);
  t.regex(String(relisted[1]?.reasons), /keep is set/);
  t.deepEqual(relisted[2]?.reasons, ['no expiry has noted that it goes']);
  t.deepEqual(namesOf(goes), [names[2]], 'by the policy, as any other one');
});

test('a note that was written for another backup is none', async (t) => {
  const stage = await retentionStage(t);
  const { names, directory } = stage;
  await heldByRowsOnly(stage);
  const why = {
    cluster: 'main',
    backup: names[0],
    request: null,
    method: 'copy',
    reason: 'old',
    policy: '{}',
  };
  const of = { stoppedAt: '2026-11-21T12:01:00.000Z', systemIdentifier, startLsn: '0/FF000028' };
  await unlistBackup(directory, String(names[0]), { ...why, ...of });
  t.deepEqual(namesOf((await stage.expired()).relisted), [names[0]]);
  t.true(existsSync(placeOf(stage, 0)));
});

test('what is left of a held backup that no expiry has noted stays until the hold is released, and is named', async (t) => {
  const stage = await retentionStage(t);
  const { names, operator } = stage;
  await heldByRowsOnly(stage);
  await takeOffTheLists(stage, 0);
  const base = join(`${placeOf(stage, 0)}.expired`, 'base.tar.zst');
  await rm(join(`${placeOf(stage, 0)}.meta.expired`, 'backup.json'));
  for (const args of [['--dry-run'], []]) {
    const { status, stdout } = await stage.expire(args);
    t.is(status, 1);
    t.regex(stdout, /left what is there of .* which is not whole: it may be the copy of backup request \d+/);
    t.regex(stdout, /it is under legal hold: court; look at ".*\.meta\.expired", and remove it by hand or/);
  }
  t.true(existsSync(base));
  await operator.query('update holdfast.legal_hold set released = true');
  t.deepEqual((await stage.expired()).finished, [names[0]]);
  t.false(existsSync(base));
});

test('a backup whose description says otherwise goes neither with --unknown, as it may be one that is held', async (t) => {
  const stage = await retentionStage(t);
  const { names, ids, superuser } = stage;
  await heldByRowsOnly(stage);
  for (const at of [0, 1, 2]) await describe(stage, at, { startLsn: `0/${at + 1}000` });
  const { goes, stays } = await stage.expired(['--unknown']);
  t.deepEqual(namesOf(goes), [names[2]]);
  t.regex(
    String(stays.find(({ backup }) => backup === names[0])?.reasons),
    new RegExp(`may be the copy of backup request ${ids[0]}, which is nowhere else: it is under legal hold`),
  );
  const begin = (mayBe: string | null) =>
    superuser.value<string | null>(
      `select holdfast.begin_expiry('main', 'x', null, $1, 'copy', now(), 1, '0/1', 'r', null)`,
      [mayBe],
    );
  t.is(await begin(String(ids[0])), 'it is under legal hold');
  t.is(await begin(String(ids[1])), 'keep is set');
  t.is(await begin(String(ids[3])), null);
});

test('the description of one backup in the directory of another is damage: nothing expires, and no restore takes it', async (t) => {
  const stage = await retentionStage(t);
  const { names, directory, repository } = stage;
  await heldByRowsOnly(stage);
  const stranger = join(directory, 'backups', '20200101T000000Z-77');
  await rename(placeOf(stage, 2), stranger);
  await rename(`${placeOf(stage, 2)}.meta`, `${stranger}.meta`);
  const { status, stderr } = await stage.expire(['--unknown']);
  t.is(status, 1);
  t.regex(stderr, new RegExp(`77\\.meta/backup\\.json" is the description of backup ${names[2]}`));
  const listed = await holdfast(['restore', '--list', '--repository', repository]);
  t.regex(listed.stdout + listed.stderr, /is the description of backup/);
});
