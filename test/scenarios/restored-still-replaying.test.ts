// A restored server that has not recovered yet: what it still has to read stays, until it is a primary.
import { existsSync, readdirSync, readFileSync, watch } from 'node:fs';
import { chown, cp, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { EmbeddedCluster } from '../../dev/embedded/cluster.ts';
import type { Lease } from '../../src/repository/lease-file.ts';
import { archivedPath } from '../../src/repository/wal-archive.ts';
import { cloneOf } from '../support/clones.ts';
import { eventually } from '../support/eventually.ts';
import { asRole } from '../support/installed-database.ts';
import { holdfast } from '../support/process.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { noRestore } from '../support/restored-copy.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore);

interface Said {
  goes: { id: number }[];
  stays: { id: number; reasons: string[] }[];
}

test('a restored server that still replays keeps its WAL, and its lease is gone after its promotion', async (t) => {
  const scene = await repositoryScene(t);
  const { directory, repository } = scene;
  const first = await scene.backup();
  await scene.admin.query('create table after_first as select 1 as x');
  await scene.archiveAll();
  const inTheWay = join(directory, 'leases');
  await writeFile(inTheWay, '');
  const without = await scene.restore(join(await temporaryDirectory(t), 'data'), '1');
  t.is(without.status, 0, 'a lease that cannot be left stops no restore');
  t.regex(without.stderr, /warning: an expiry does not know that this server still needs WAL \(.*leases/);
  await rm(inTheWay);
  // From a copy of the backup elsewhere, while WAL comes from the repository, and the lease lies there.
  const elsewhere = join(await temporaryDirectory(t), 'main');
  const copied = join(elsewhere, 'backups', basename(first.directory));
  for (const end of ['', '.meta'])
    await cp(`${first.directory}${end}`, `${copied}${end}`, { recursive: true });
  await mkdir(inTheWay);
  const { uid, gid } = await stat(directory);
  await chown(inTheWay, uid, gid);
  const places: unknown[] = [];
  const watcher = watch(inTheWay, () => {
    for (const name of readdirSync(inTheWay).filter((one) => one.endsWith('.json')))
      places.push((JSON.parse(readFileSync(join(inTheWay, name), 'utf8')) as Lease).place.versionInode);
  });
  const restored = await scene.restored(copied, '--no-archiving');
  watcher.close();
  t.is(places[0], 0, 'it is there while the restore is at work, as the backup is in no repository');
  t.deepEqual(await readdir(elsewhere), ['backups']);
  await scene.backup();
  const operator = await asRole(t, scene.db, 'operator');
  await operator.query(`insert into holdfast.retention_policy (cluster, keep_last) values ('main', 1)`);
  const expire = async (...args: string[]) => {
    const { stdout, stderr } = await holdfast(['expire', '--json', '--repository', repository, ...args], {
      url: scene.workerLogin.url,
    });
    if (stdout === '') throw new Error(stderr);
    return (JSON.parse(stdout) as [Said])[0];
  };
  const leases = () => readdir(join(directory, 'leases'));
  const walIsThere = () => existsSync(archivedPath(directory, first.description.startWal));

  // It is not started yet.
  const [name = '', ...others] = await leases();
  t.deepEqual(others, []);
  const file = join(directory, 'leases', name);
  const settings = await readFile(join(restored.dataDirectory, 'postgresql.auto.conf'), 'utf8');
  t.true(settings.includes(`HOLDFAST_LEASE=${name.replace('.json', '')} `), settings);
  const hourAgo = new Date(Date.now() - 3_600_000);
  await utimes(file, hourAgo, hourAgo);
  for (const args of [['--dry-run'], []]) {
    const { goes, stays } = await expire(...args);
    t.deepEqual(goes, []);
    const [reason = ''] = stays.find(({ id }) => id === first.description.id)?.reasons ?? [];
    t.true(reason.startsWith(`it is being recovered in "${restored.dataDirectory}" on host `), reason);
    t.true(reason.endsWith(', renewed 60 min ago'), reason);
  }
  t.true(walIsThere());

  await restored.start();
  const client = await connect(t, restored.url({ database: scene.db.name }));
  await eventually('it is a primary', () => client.value<boolean>('select not pg_is_in_recovery()'));
  t.is(await client.value('select x from after_first'), 1);
  t.true((await stat(file)).mtimeMs > hourAgo.getTime() + 60_000, 'fetching renews it');
  const { goes, stays } = await expire();
  t.deepEqual(
    goes.map(({ id }) => id),
    [first.description.id],
    JSON.stringify(stays),
  );
  t.deepEqual(await leases(), []);
  t.false(walIsThere());
});

test('a copy of a restored directory keeps its WAL while it replays, after the first server has recovered', async (t) => {
  const scene = await repositoryScene(t);
  const { directory, repository, admin } = scene;
  await admin.query('create table kept (n int)');
  const first = await scene.backup();
  const moment = await scene.now();
  await admin.query('insert into kept values (1)');
  await scene.archiveAll();
  const one = await scene.restored('--target-time', moment, '--no-archiving');
  const other = await cloneOf(t, one);
  await scene.backup();
  const operator = await asRole(t, scene.db, 'operator');
  await operator.query(`insert into holdfast.retention_policy (cluster, keep_last) values ('main', 1)`);
  const paused = async (server: EmbeddedCluster) => {
    await server.start();
    const client = await connect(t, server.url({ database: scene.db.name }));
    await eventually('it is at the target', () => client.value<boolean>('select pg_is_wal_replay_paused()'));
    return client;
  };
  const open = async (client: SqlClient) => {
    await client.query('select pg_wal_replay_resume()');
    await eventually('it is a primary', () => client.value<boolean>('select not pg_is_in_recovery()'));
  };
  const expire = async () => {
    const { stdout } = await holdfast(['expire', '--json', '--repository', repository], {
      url: scene.workerLogin.url,
    });
    return (JSON.parse(stdout) as [Said])[0];
  };
  const replaying = await paused(other);
  await open(await paused(one));
  const { goes, stays } = await expire();
  t.deepEqual(goes, []);
  const [reason = ''] = stays.find(({ id }) => id === first.description.id)?.reasons ?? [];
  t.true(reason.startsWith(`it is being recovered in "${other.dataDirectory}" on host `), reason);
  t.true(existsSync(archivedPath(directory, first.description.startWal)));
  t.is((await readdir(join(directory, 'leases'))).length, 1, 'that of the first is over');

  await open(replaying);
  const then = await expire();
  t.deepEqual(
    then.goes.map(({ id }) => id),
    [first.description.id],
    JSON.stringify(then.stays),
  );
  t.deepEqual(await readdir(join(directory, 'leases')), []);
});
