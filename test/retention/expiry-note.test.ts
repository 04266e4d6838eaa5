// The note that a killed expiry leaves beside a backup, where somebody has changed the note.
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import ava from 'ava';
import { forgetBackup, removeFiles, unlistBackup } from '../../src/repository/expired-backup.ts';
import { checkedNote } from '../../src/retention/expiry-note.ts';
import { retentionStage, systemIdentifier } from '../support/retention-stage.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const test = ava.serial;
const whole = (names: string[]) => names.flatMap((name) => [name, `${name}.meta`]).sort();

const note = {
  cluster: 'main',
  backup: '20261121T120000Z-7',
  request: 7,
  method: 'copy',
  stoppedAt: '2026-11-21T12:01:00.000Z',
  systemIdentifier,
  startLsn: '0/4000028',
  reason: 'old',
  policy: '{"keep_last": 1}',
};

test('a note that names something else removes nothing: its backup is put back on the list', async (t) => {
  const stage = await retentionStage(t, { backups: 5 });
  const { names, directory } = stage;
  await stage.policy({ keep_last: 2 });
  const outside = await temporaryDirectory(t);
  for (const name of ['victim', 'victim.expired', 'victim.meta.expired']) {
    await mkdir(join(outside, name));
    await writeFile(join(outside, name, 'file'), 'precious');
  }
  const victim = relative(join(directory, 'backups'), join(outside, 'victim'));
  const forged = [victim, String(names[4])];
  for (const [at, backup] of forged.entries())
    await unlistBackup(directory, String(names[at]), { ...note, backup });
  const namesOf = (backups: { backup: string }[]) => backups.map(({ backup }) => backup);
  t.deepEqual(namesOf((await stage.expired(['--dry-run'])).relisted), names.slice(0, 2));
  const { finished, relisted, goes } = await stage.expired();
  t.deepEqual([finished, namesOf(relisted)], [[], names.slice(0, 2)]);
  t.deepEqual(namesOf(goes), names.slice(0, 3), 'by the policy');
  t.deepEqual(await stage.listed(), whole(names.slice(3)));
  const left = (await readdir(outside, { recursive: true })).sort();
  t.deepEqual(
    left,
    ['', '.expired', '.meta.expired'].flatMap((end) => [`victim${end}`, `victim${end}/file`]).sort(),
  );
});

test('a backup without a note, or with the note of another one of its name, goes only if files of it are missing', async (t) => {
  const stage = await retentionStage(t, { backups: 5 });
  const { names, ids, directory } = stage;
  await stage.policy({ keep_last: 1, recovery_window: '0' });
  await stage.operator.query(`insert into holdfast.legal_hold (request_id, reason) values ($1, 'court')`, [
    ids[0],
  ]);
  for (const at of [0, 1, 2]) {
    const of = { request: Number(ids[at]), backup: names[at], startLsn: '0/FF000028' };
    await unlistBackup(directory, String(names[at]), { ...note, ...of });
  }
  const place = (at: number) => join(directory, 'backups', String(names[at]));
  await rm(join(`${place(1)}.meta.expired`, 'expiry.json'));
  await rm(join(`${place(2)}.expired`, 'base.tar.zst'));
  const { finished, relisted, stays } = await stage.expired();
  t.deepEqual(finished, [names[2]]);
  t.deepEqual(
    relisted.map(({ backup }) => backup),
    names.slice(0, 2),
  );
  t.deepEqual(
    stays.map(({ backup }) => backup),
    [names[0], names[4]],
  );
  t.regex(String(stays[0]?.reasons), /legal hold: court/);
  t.deepEqual(await stage.listed(), whole([String(names[0]), String(names[4])]));
});

test('a note counts where it is of this backup of this cluster, and every value is one that an expiry writes', (t) => {
  t.deepEqual(checkedNote(note, note), { ...note, mayBe: null } as ReturnType<typeof checkedNote>);
  t.deepEqual(checkedNote({ ...note, policy: null, request: null }, note)?.policy, null);
  for (const change of [
    { cluster: 'other' },
    { backup: '20261121T120000Z-8' },
    { request: '7' },
    { method: 'hold' },
    { stoppedAt: '2026-02-31T12:01:00.000Z' },
    { stoppedAt: 'now' },
    { systemIdentifier: '9999999999999999999' },
    { systemIdentifier: 7 },
    { startLsn: '0/x' },
    { reason: 'x'.repeat(1_000_000) },
    { reason: '\0' },
    { policy: '{' },
    { policy: undefined },
  ])
    t.is(checkedNote({ ...note, ...change }, note), undefined, JSON.stringify(change).slice(0, 100));
  for (const odd of [undefined, null, 7, 'text', []]) t.is(checkedNote(odd, note), undefined);
});

test('what is not the name of a backup is not removed', async (t) => {
  const directory = await temporaryDirectory(t);
  for (const name of ['', '.', '..', '../../x', '20261121T120000Z-7/..', '20261121T120000Z-7.meta'])
    for (const remove of [removeFiles, forgetBackup])
      await t.throwsAsync(async () => remove(directory, name), { code: 'no_such_backup' }, name);
});
