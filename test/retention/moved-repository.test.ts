// A cluster that is given a new repository on purpose, as after a disk was lost or a pg_upgrade.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import ava from 'ava';
import { eventually } from '../support/eventually.ts';
import { asRole } from '../support/installed-database.ts';
import { holdfast, startWorkerProcess } from '../support/process.ts';
import { makeRepository } from '../support/repository.ts';
import { retentionStage } from '../support/retention-stage.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const test = ava.serial;

test('a cluster with a new repository is well again once its old copies are forgotten, and nothing is removed', async (t) => {
  const stage = await retentionStage(t);
  const { superuser, operator, ids } = stage;
  await stage.policy({ keep_last: 9, recovery_window: '0' });
  await stage.expired();
  const before = await stage.listed();
  const fresh = await temporaryDirectory(t);
  await makeRepository(fresh);
  const { url } = await asRole(t, stage.db, 'worker');
  t.is((await holdfast(['expire', '--repository', fresh], { url })).status, 1);
  const owner = JSON.parse(await readFile(join(fresh, 'main', 'owner.json'), 'utf8')) as { id: string };
  const adopt = ['adopt', '--yes', '--repository-id', `main=${owner.id}`];
  t.is((await holdfast(adopt, { url: stage.db.url })).status, 0);
  await startWorkerProcess(t, { url, env: { HOLDFAST_REPOSITORY: fresh } });
  const missing = () => superuser.query('select request_id from holdfast.missing_backup');
  await eventually('all are missed', async () => (await missing()).length === ids.length, { within: 30_000 });
  const problems = async () => (await holdfast(['check'], { url })).stdout;
  t.regex(await problems(), /not in the repository.*run "SELECT forget_copy\(\d+, 'why'\)" as an operator/);

  await operator.query(
    `select holdfast.forget_copy(request_id, 'moved to a new disk') from holdfast.missing_backup`,
  );
  t.notRegex(await problems(), /not in the repository/);
  const expired = await holdfast(['expire', '--repository', fresh], { url });
  t.is(expired.status, 0, expired.stderr);
  t.deepEqual(await missing(), []);
  t.deepEqual(await stage.listed(), before);
});
