// Parts of a data directory that lie on another disk, behind symbolic links.
import { lstat, rename, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { serverIdentity } from '../../dev/embedded/server-user.ts';
import { copyScene, extracted, noCopies, started } from '../support/copies.ts';
import { ownCluster } from '../support/cluster.ts';
import { withClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noCopies).serial;

test('a directory, a database and a file of a relation on another disk are in the copy, and in what is restored', async (t) => {
  const cluster = await ownCluster(t, { installed: true });
  const data = String(cluster.dataDirectory);
  const disk = await cluster.serverDirectory('another disk');
  const { database, relation } = await withClient(cluster.url(), async (admin) => {
    await admin.query('create table kept as select n, md5(n::text) as text from generate_series(1, 20000) n');
    await admin.query('create table apart as select generate_series(1, 20000) n');
    const path = (name: string) => admin.value<string>('select pg_relation_filepath($1)', [name]);
    return { database: dirname(await path('kept')), relation: await path('apart') };
  });
  await cluster.stop();
  for (const path of [relation, database, 'pg_xact']) {
    const moved = join(disk, basename(path));
    await rename(join(data, path), moved);
    await symlink(moved, join(data, path));
  }
  await cluster.start();
  const { copy, startCopier } = await copyScene(t, { cluster });
  await startCopier();
  const backup = await copy();

  t.deepEqual(backup.row.warnings, []);
  const restored = await extracted(t, backup, cluster.version);
  for (const path of [database, 'pg_xact'])
    t.true((await lstat(join(restored.dataDirectory, path))).isDirectory(), path);
  t.true((await lstat(join(restored.dataDirectory, relation))).isFile());
  const client = await started(t, restored, 'postgres');
  t.is(await client.value('select count(*)::int from kept'), 20_000);
  t.is(await client.value('select count(*)::int from apart'), 20_000);
});

test("a link of the server's that leads nowhere fails the copy by name, before the checkpoint", async (t) => {
  const { cluster, requestCopy, startCopier, untilState } = await copyScene(t);
  const path = join(String(cluster.dataDirectory), 'base', '99999');
  await symlink('/nonexistent/99999', path);
  await startCopier();
  const row = await untilState(await requestCopy(), 'failed');
  t.is(row.error_code, 'copy_unreadable');
  t.regex(String(row.error), new RegExp(`^cannot read "${path}" -> "/nonexistent/99999": ENOENT`));
  t.is(row.start_lsn, null);
});

test('a link to a directory of somebody else is not followed, and a warning says so', async (t) => {
  const { cluster, copy, startCopier } = await copyScene(t);
  const data = String(cluster.dataDirectory);
  await symlink(await cluster.serverDirectory('dumps'), join(data, 'dumps'));
  await startCopier();
  const { row } = await copy();
  t.deepEqual(row.warnings, [
    `"${join(data, 'dumps')}" is a symbolic link to a directory that is not PostgreSQL's and is not copied`,
  ]);
});

const asRoot = process.geteuid?.() === 0 && serverIdentity() !== undefined;
testWhen(noCopies, asRoot ? undefined : 'only root reads what the server may not')(
  "a worker that is root does not copy what the data directory's owner may not read",
  async (t) => {
    const { cluster, requestCopy, startCopier, untilState } = await copyScene(t);
    const data = String(cluster.dataDirectory);
    await symlink('/etc/shadow', join(data, 'secret.conf'));
    await startCopier();
    const row = await untilState(await requestCopy(), 'failed');
    t.is(row.error_code, 'copy_unreadable');
    t.regex(
      String(row.error),
      /secret\.conf": it is a symbolic link to what .* owner may not read, "\/etc\/shadow"/,
    );
  },
);
