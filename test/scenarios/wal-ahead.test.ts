// A real archiver and a real recovery, with a worker ahead of the one and a read-ahead before the other.
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { completeBackup, startBackup } from '../support/backups.ts';
import { noOwnCluster } from '../support/cluster.ts';
import { run } from '../support/copies.ts';
import { eventually } from '../support/eventually.ts';
import { noRestore, restoredCopy, tarOf } from '../support/restored-copy.ts';
import { scene } from '../support/scene.ts';
import { withClient } from '../support/sql-client.ts';
import { makeArchiverFail } from '../support/stuck-archiver.ts';
import { testWhen } from '../support/test-when.ts';
import { archivingServer, noArchivingServer, startArchivingWorker } from '../support/wal.ts';

const test = testWhen(noOwnCluster, noArchivingServer, noRestore).serial;

test('while the archiver is stuck, the worker archives what waits behind; then everything is, and nothing is left', async (t) => {
  const server = await archivingServer(t, { initdb: ['--wal-segsize=1'] });
  const { admin, workerLogin } = await scene(t, server.cluster);
  const wal = join(String(server.cluster.dataDirectory), 'pg_wal');
  await admin.query('select pg_switch_wal()');
  await eventually('the first push', () => admin.value('select archived_count > 0 from pg_stat_archiver'));

  await makeArchiverFail(server.cluster, admin);
  await admin.query('create table kept as select generate_series(1, 100000) n');
  const last = await admin.value<string>('select pg_walfile_name(pg_switch_wal())');
  const waiting = async () => {
    const names = await readdir(join(wal, 'archive_status'));
    return names
      .filter((name) => /^[0-9A-F]{24}\.ready$/.test(name))
      .map((name) => name.slice(0, 24))
      .sort();
  };
  await eventually('the last one waits', async () => (await waiting()).includes(last));
  const [stuck = '', ...behind] = (await waiting()).slice(0, 9);
  t.true(behind.filter((name) => !existsSync(server.archived(name))).length >= 3, 'it has something to do');
  await startArchivingWorker(t, server, workerLogin.url);
  await eventually('those behind are archived', () =>
    behind.every((name) => existsSync(server.archived(name))),
  );

  await server.cluster.configure({ archive_command: server.pushCommand });
  await server.cluster.archiving.recover();
  await eventually('all are', async () => (await waiting()).length === 0);
  for (const name of [stuck, ...behind, last]) t.true(existsSync(server.archived(name)), name);
  await eventually('no receipt is left', async () => {
    const left = await readdir(join(wal, 'pgsql_tmp.holdfast.push'));
    return left.every((name) => ['repositories', 'target', 'worker'].includes(name));
  });
});

test('a worker watches the data directory that has taken the place of the one before, and the one that a server was moved to', async (t) => {
  const server = await archivingServer(t);
  const { workerLogin } = await scene(t, server.cluster);
  const worker = await startArchivingWorker(t, server, workerLogin.url);
  const data = String(server.cluster.dataDirectory);
  const isWatched = async (directory = data) => {
    const { ino } = await stat(join(directory, 'pg_wal/archive_status'));
    return (await watchedInodes(worker.pid)).includes(ino.toString(16));
  };
  await eventually('the directory is watched', () => isWatched());
  await server.cluster.stop();
  await run('sh', ['-c', 'cp -a "$0" "$0.new" && mv "$0" "$0.old" && mv "$0.new" "$0"', data]);
  t.false(await isWatched());
  await server.cluster.start();
  await eventually('the new one is watched', () => isWatched());

  await server.cluster.stop();
  const moved = `${data}.moved`;
  // The link is for the harness, which looks there whether the server has started.
  const moving = `cp -a "$0" "$1" && echo "data_directory = '$1'" >> "$0/postgresql.conf"`;
  await run('sh', ['-c', `${moving} && ln -s "$1/postmaster.pid" "$0/postmaster.pid"`, data, moved]);
  await server.cluster.start();
  await eventually('the one that it was moved to is watched', () => isWatched(moved));
});

/** The inodes of all that a process watches, as /proc has them. */
async function watchedInodes(pid: number): Promise<string[]> {
  const place = `/proc/${pid}/fdinfo`;
  const infos = await Promise.all(
    (await readdir(place)).map((fd) => readFile(join(place, fd), 'utf8').catch(() => '')),
  );
  return infos.flatMap((info) =>
    [...info.matchAll(/^inotify .*\bino:([0-9a-f]+)/gm)].map(([, ino]) => String(ino)),
  );
}

for (const [what, killing] of [
  ['with a read-ahead', ''],
  [
    'with a read-ahead that is killed again and again',
    '{ kill -9 $(grep -o "pid.:[0-9]*" pg_wal/pgsql_tmp.holdfast.fetch/owner | cut -d: -f2); } 2>/dev/null; ',
  ],
] as const) {
  test(`recovery ${what} has everything`, async (t) => {
    const server = await archivingServer(t, { initdb: ['--wal-segsize=1'] });
    const stage = await scene(t, server.cluster);
    const { admin, client, db } = stage;
    await stage.startWorker();
    const { id } = await startBackup(client);
    const tar = await tarOf(server.cluster);
    const { backup_label: label } = await completeBackup(client, id);
    await admin.query('create table kept as select generate_series(1, 200000) n');
    const last = await admin.value<string>('select pg_walfile_name(pg_switch_wal())');
    await eventually(`${last} is archived`, () => existsSync(server.archived(last)), { within: 60_000 });

    const log = join(await server.cluster.serverDirectory('log'), 'ready');
    const noting = `test -f "pg_wal/pgsql_tmp.holdfast.fetch/%f" && echo %f >> "${log}"; `;
    const copy = { source: server.cluster, tar, label: String(label) };
    const settings = { restore_command: killing + noting + server.restoreCommand, archive_command: 'true' };
    const restored = await restoredCopy(t, copy, settings);
    const rows = await withClient(restored.url({ database: db.name }), (restoredClient) =>
      restoredClient.value('select count(*)::int from kept'),
    );
    t.is(rows, 200_000);
    if (killing !== '') return;
    t.true(
      (await readFile(log, 'utf8')).split('\n').length > 5,
      'segments were ready before they were asked for',
    );
    const wal = join(restored.dataDirectory, 'pg_wal');
    await eventually('the spool is gone', async () =>
      (await readdir(wal)).every((name) => !name.includes('fetch')),
    );
  });
}
