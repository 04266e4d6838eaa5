// `holdfast drill`: a backup is proven restorable, and the proof is in SQL.
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { drills } from '../support/drills.ts';
import { noRestore } from '../support/restored-copy.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore);

test('a drill restores, recovers and checks a backup, records that in SQL, and leaves nothing behind', async (t) => {
  const scene = await repositoryScene(t);
  await scene.admin.query('create table kept as select g n, md5(g::text) t from generate_series(1, 20000) g');
  await scene.admin.query('create index on kept (t)');
  const { description } = await scene.backup();
  await scene.admin.query('insert into kept values (0, null)');
  await scene.archiveAll();
  const drill = await drills(t, scene);

  const { status, stderr, result } = await drill.run();
  t.is(status, 0, stderr + JSON.stringify(result.error));
  t.like(result, { ok: true, target: 'latest', error: null, drill: 1 });
  t.deepEqual(
    result.checks.map(({ check, ok, skipped }) => [check, ok, skipped ?? false]),
    [...[1, 2, 3, 4].map(() => ['amcheck', true, false]), ['checksums', true, !description.checksums]],
  );
  t.deepEqual(await drill.left(), []);

  const [row] = await scene.admin.query('select * from holdfast.backup_drill');
  t.like(row, {
    request_id: '1',
    cluster: 'main',
    ok: true,
    target: 'latest',
    error: null,
    error_code: null,
  });
  t.is(row?.['backup'], result.backup);
  const [proof] = await scene.admin.query('select * from holdfast.backup_proof');
  t.like(proof, { id: '1', drill_ok: true, proven_by: '1' });
  t.deepEqual(proof?.['proven_at'], row?.['finished_at']);
  const events = await scene.admin.query(
    'select from_state, to_state, detail from holdfast.backup_event where request_id = 1 order by id',
  );
  t.like(events.at(-1), { from_state: 'complete', to_state: 'complete', detail: { drill: 1, ok: true } });

  // What is found of a copy elsewhere says nothing of the backup in the repository.
  const elsewhere = await temporaryDirectory(t);
  await cp(join(scene.directory, 'backups'), elsewhere, { recursive: true, verbatimSymlinks: true });
  const without = ['--pg-bin', await temporaryDirectory(t)];
  const copied = await drill.run(join(elsewhere, String(result.backup)), ...without);
  t.like(copied.result, { ok: false, drill: null, error: { code: 'no_server_programs' } });
  t.regex(copied.stderr, /this is not in backup_drill: ".*" is not in "/);
  t.is(await scene.admin.value('select count(*)::int from holdfast.backup_drill'), 1);
  t.like((await drill.run('1', ...without)).result, { ok: false, drill: 2 });
});
