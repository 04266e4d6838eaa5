// Chores: asked for by INSERT, done by a worker, one at a time, tried again, and given to another worker.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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
