// What a copy that is missing and its chain need of each other, until an operator forgets one of them.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { holdfast } from '../support/process.ts';
import { retentionStage, type RetentionStage } from '../support/retention-stage.ts';

const keepsOne = { keep_last: 1, recovery_window: '0' };
const namesOf = (backups: { backup: string }[]) => backups.map(({ backup }) => backup);

test('one whose parent is gone counts as none, and stays until an operator says that the parent does not come back', async (t) => {
  const stage = await retentionStage(t, { parents: [undefined, undefined, undefined, 2, 2] });
  const { names, ids, operator } = stage;
  await remove(stage, 2);
  await stage.policy(keepsOne);
  const { goes, stays } = await stage.expired(['--dry-run']);
  t.deepEqual(namesOf(goes), [names[0]]);
  t.deepEqual(namesOf(stays), [names[1], names[3], names[4]]);
  t.true(stays[0]?.reasons.includes('it is the newest that is sound'));
  const back = `it can be restored again if backup ${names[2]} comes back, which is missing`;
  t.deepEqual(stays[1]?.reasons, [back]);
  t.deepEqual(stays[2]?.reasons, [back, 'it is the newest']);

  const { stdout } = await holdfast(['restore', '--list', '--repository', stage.repository]);
  t.regex(stdout, new RegExp(`${names[4]} .* chain broken at ${names[2]}, which is not in the repository`));
  await forget(stage, 2);
  t.is(
    operator.notices.at(-1)?.message,
    `without the copy of backup request ${ids[2]}, these incremental copies cannot be restored: ${ids[3]}, ${ids[4]}`,
  );
  const after = await stage.expired();
  t.deepEqual(namesOf(after.goes), [names[0], names[3]]);
  t.regex(
    String(after.goes[1]?.reasons),
    new RegExp(`^its chain is broken at backup ${names[2]}, which is not in the repository; it is number 2`),
  );
  t.is((await operator.query('select from holdfast.backup_request where expired_at is null')).length, 2);
});

test('a link stays for a child that is missing, until an operator says that the child does not come back', async (t) => {
  const stage = await retentionStage(t, { parents: [undefined, 0, 1, undefined] });
  const { names, operator } = stage;
  await remove(stage, 2);
  await stage.policy(keepsOne);
  const { goes, stays } = await stage.expired();
  t.deepEqual(goes, []);
  t.deepEqual(
    stays.slice(0, 2).map(({ reasons }) => reasons),
    [
      [`backup ${names[1]} cannot be restored without it`],
      [`backup ${names[2]} cannot be restored without it, and may come back: it is missing`],
    ],
  );
  await forget(stage, 2);
  t.deepEqual(operator.notices, []);
  t.deepEqual(namesOf((await stage.expired()).goes), names.slice(0, 2));
});

async function remove({ directory, names }: RetentionStage, at: number): Promise<void> {
  for (const suffix of ['', '.meta'])
    await rm(join(directory, 'backups', `${names[at]}${suffix}`), { recursive: true });
}

/** After a worker has noted that the copy is missing. */
async function forget({ superuser, operator, ids }: RetentionStage, at: number): Promise<void> {
  await superuser.query(`insert into holdfast.missing_backup (request_id, cluster) values ($1, 'main')`, [
    ids[at],
  ]);
  await operator.query('select holdfast.forget_copy($1, $2)', [ids[at], 'the disk burnt']);
}
