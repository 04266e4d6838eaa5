// Method copy, from INSERT to a server that runs on what was copied.
import { readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { amcheck } from '../../dev/demo/amcheck.ts';
import { copyScene, extracted, noCopies, run, started } from '../support/copies.ts';
import { eventually } from '../support/eventually.ts';
import { archivingServer, noArchivingServer, segment1 } from '../support/wal.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noCopies).serial;

test('INSERT with method copy makes a backup that tar, zstd and PostgreSQL restore', async (t) => {
  const { admin, cluster, copy, db, names, repository, startCopier, ...scene } = await copyScene(t);
  await startCopier();
  await admin.query('create table kept as select n, md5(n::text) as text from generate_series(1, 50000) n');
  await admin.query('create index on kept (text)');
  const backup = await copy();

  t.deepEqual(await scene.history(backup.row.id), [
    'requested',
    'starting',
    'running',
    'done',
    'archiving',
    'complete',
  ]);
  t.deepEqual(backup.row.warnings, []);
  t.deepEqual(
    await names(),
    [backup.directory, backup.meta].map((path) => path.slice(path.lastIndexOf('/') + 1)),
  );
  t.is(await readlink(join(repository, 'main', 'latest')), `backups/${(await names())[0]}`);
  t.is(await readFile(join(backup.meta, 'backup_label'), 'utf8'), String(backup.row.backup_label));
  await run('zstd', ['-tq', join(backup.directory, 'base.tar.zst')]);

  const restored = await extracted(t, backup, cluster.version);
  t.is(await readFile(join(restored.dataDirectory, 'backup_label'), 'utf8'), String(backup.row.backup_label));
  const client = await started(t, restored, db.name);
  t.is(await client.value('select count(*)::int from kept'), 50_000);
  for (const { claim, holds, found } of await amcheck(client)) t.true(holds, `${claim}: ${found}`);
});

const archiving = testWhen(noCopies, noArchivingServer).serial;

archiving('what the archive in the repository has is linked, not copied', async (t) => {
  const { cluster, repository, archived } = await archivingServer(t);
  const { admin, copy, startCopier } = await copyScene(t, { cluster, repository });
  await admin.query('select pg_switch_wal()');
  await eventually('something is archived', () => stat(archived(segment1)).catch(() => null));
  await startCopier();
  const { directory, row } = await copy();
  const { nlink } = await stat(join(directory, 'pg_wal', `${row.start_wal}.zst`));
  t.is(nlink, 2);
});
