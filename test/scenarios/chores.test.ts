// Chores: asked for by INSERT, done by a worker, one at a time, tried again, and given to another worker.
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { formatRepositoryBackup } from '../../src/repository/repository-backup.ts';
import { requestChore, untilChore } from '../support/chores.ts';
import { noServerFiles } from '../support/cluster.ts';
import { eventuallyRow } from '../support/eventually.ts';
import { asRole } from '../support/installed-database.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noServerFiles);

test('a verification asked for by INSERT is done, and its result is in the row', async (t) => {
  const scene = await repositoryScene(t);
  const { description } = await scene.backup();
  const operator = await asRole(t, scene.db, 'operator');
  const id = await operator.value(
    `insert into holdfast.backup_chore (kind, request_id) values ('verify', $1) returning id`,
    [description.id],
  );
  const done = await eventuallyRow(
    scene.admin,
    `select * from holdfast.backup_chore where id = $1 and state in ('complete', 'failed')`,
    [id],
  );
  t.like(done, { state: 'complete', attempts: 1, error: null, requested_by: operator.role });
  t.is((done['result'] as { backups: { ok: boolean }[] }).backups[0]?.ok, true);
  t.is(await scene.admin.value('select count(*)::int from holdfast.backup_verification'), 1);
  t.is(await scene.admin.value('select count(*)::int from holdfast_boss.job'), 0);
});

test('a chore finds the backup of its request by what was recorded, whatever the clocks said, and takes no other one with the id', async (t) => {
  const scene = await repositoryScene(t);
  const { directory, meta, description } = await scene.backup();
  const { id } = description;
  // The control database has a clock of its own.
  await scene.admin.query('begin');
  await scene.admin.query('set local session_replication_role = replica');
  await scene.admin.query(
    `update holdfast.backup_request set started_at = started_at - interval '1 hour' where id = $1`,
    [id],
  );
  await scene.admin.query('commit');
  const operator = await asRole(t, scene.db, 'operator');
  const verified = await untilChore(operator, await requestChore(operator, 'verify', {}, id), 'complete');
  t.like(verified.result, { backups: [{ backup: basename(directory), ok: true }] });
  t.is(await scene.admin.value('select request_id from holdfast.backup_verification'), String(id));

  await writeFile(join(meta, 'backup.json'), formatRepositoryBackup({ ...description, timeline: 7 }));
  const failed = await untilChore(operator, await requestChore(operator, 'verify', {}, id), 'failed');
  t.like(failed, { error_code: 'no_such_backup', attempts: 1 });
  t.regex(
    String(failed.error),
    new RegExp(`not have the backup of request ${id}; ${basename(directory)} is another`),
  );
  t.is(await scene.admin.value('select count(*)::int from holdfast.backup_verification'), 1);
});

test('a damaged backup fails its verification at once, and the row says what is damaged', async (t) => {
  const scene = await repositoryScene(t);
  const { directory } = await scene.backup();
  const file = join(directory, 'base.tar.zst');
  const bytes = await readFile(file);
  bytes.writeUInt8(bytes.readUInt8(5000) ^ 1, 5000);
  await writeFile(file, bytes);
  const operator = await asRole(t, scene.db, 'operator');
  await operator.query(`insert into holdfast.backup_chore (kind) values ('verify')`);
  const failed = await eventuallyRow(
    scene.admin,
    `select * from holdfast.backup_chore where state = 'failed'`,
  );
  t.like(failed, { error_code: 'backup_damaged', attempts: 1 });
  t.regex(String(failed['error']), /base\.tar\.zst/);
  t.is((failed['result'] as { backups: { ok: boolean }[] }).backups[0]?.ok, false);
});
