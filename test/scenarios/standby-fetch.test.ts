// A standby that streams does without its archive: what cannot be fetched does not shut it down.
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { eventually } from '../support/eventually.ts';
import { hang, noHungDirectory } from '../support/hung-directory.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { noRestore } from '../support/restored-copy.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore).serial;

test('a standby whose receiver drops while the repository is away goes on streaming, and starts without it', async (t) => {
  const { admin, standby, hideRepository, showRepository, restart, dropReceiver, hasRow } =
    await streaming(t);
  await hideRepository();
  await dropReceiver();
  await admin.query('insert into kept values (2)');
  await hasRow(2);
  t.regex(await standby.log(), /^holdfast: .*repository/m);

  await restart();
  await admin.query('insert into kept values (3)');
  await hasRow(3);
  // It asks for the history of its timeline once standby.signal is gone.
  await standby.client.query('select pg_promote()');
  await eventually('it is a primary', () => standby.client.value('select not pg_is_in_recovery()'));
  await standby.client.query('insert into kept values (4)');
  await showRepository();
  t.notRegex(await standby.log(), /FATAL: .*restore/);
});

testWhen(noRestore, noHungDirectory).serial(
  'a standby whose receiver drops while the repository does not answer goes on streaming',
  async (t) => {
    const { admin, standby, repository, dropReceiver, hasRow } = await streaming(t);
    const end = await hang(t, repository);
    await dropReceiver();
    await admin.query('insert into kept values (2)');
    await hasRow(2);
    t.regex(await standby.log(), /^holdfast: ".*" cannot be read: its file system has not answered/m);
    await end();
  },
);

test('a standby streams past a damaged segment, a broken configuration, a fetch that is killed and a Node that is gone', async (t) => {
  const { admin, standby, directory, archiveAll, restart, dropReceiver, hasRow, restoreCommand } =
    await streaming(t);
  const { cluster } = standby;
  let n = 10;
  const survives = async () => {
    await dropReceiver();
    n += 1;
    await admin.query('insert into kept values ($1)', [n]);
    await hasRow(n);
  };
  const commanded = async (command: string) => {
    await cluster.appendSettings({ restore_command: command });
    await restart();
  };

  await archiveAll();
  // Behind a boundary: right on it, versions before 17 name the segment that has ended there.
  await admin.query('insert into kept values (10)');
  const segment = await admin.value<string>('select pg_walfile_name(pg_current_wal_lsn())');
  const damaged = join(directory, 'wal', segment.slice(0, 16), `${segment}.zst`);
  await writeFile(damaged, 'nothing of the kind');
  await survives();
  t.regex(await standby.log(), /is damaged/);
  await rm(damaged);

  await commanded(
    restoreCommand.replace('HOLDFAST_CLUSTER=', 'HOLDFAST_CONFIG=/nowhere/to.toml HOLDFAST_CLUSTER='),
  );
  await survives();
  t.regex(await standby.log(), /nowhere\/to.toml/);

  const killed = join(dirname(cluster.dataDirectory), 'killed');
  await mkdir(killed);
  await writeFile(join(killed, 'node'), '#!/bin/sh\nkill -9 $$\n', { mode: 0o755 });
  await commanded(restoreCommand.replace(/PATH=[^ ]+:/, `PATH=${killed}:`));
  await survives();
  t.regex(await standby.log(), /"wal fetch" ended with status 137: the standby asks for/);

  const bare = join(dirname(cluster.dataDirectory), 'bare');
  await mkdir(bare);
  for (const tool of ['sh', 'stat', 'mv', 'readlink', 'dirname', 'env', 'sleep'])
    await symlink(existsSync(`/bin/${tool}`) ? `/bin/${tool}` : `/usr/bin/${tool}`, join(bare, tool));
  await commanded(restoreCommand.replace(/PATH=[^ ]+/, `PATH=${bare}`));
  await survives();
  t.regex(await standby.log(), /"wal fetch" ended with status 127: the standby asks for/);
});

/** A primary that archives, and a standby of a backup that streams from it and fetches with "holdfast wal fetch". */
async function streaming(t: ExecutionContext) {
  const scene = await repositoryScene(t);
  const { admin, cluster: primary, db, repository } = scene;
  await admin.query('create table kept (n int)');
  await admin.query('create role replicator login replication');
  await scene.backup();
  await admin.query('insert into kept values (1)');
  await scene.archiveAll();
  const cluster = await scene.restored('--as-standby');
  await cluster.appendSettings({
    primary_conninfo: primary.url({ user: 'replicator' }),
    wal_retrieve_retry_interval: '200ms',
  });
  await cluster.start();
  const client = await connect(t, cluster.url({ database: db.name }));
  const settings = await readFile(join(cluster.dataDirectory, 'postgresql.auto.conf'), 'utf8');
  const quoted = /^restore_command = '(.*)'$/m.exec(settings)?.[1] ?? '';
  const receiver = () =>
    admin.value<number | null>(`select max(pid) from pg_stat_replication where state = 'streaming'`);
  const streams = () =>
    eventually('it streams', async () => (await receiver()) ?? undefined, { within: 60_000 });
  const standby = { cluster, client, log: () => readFile(cluster.logFile, 'utf8') };
  return {
    ...scene,
    standby,
    restoreCommand: quoted.replaceAll("''", "'"),
    restart: async () => {
      await cluster.stop();
      await cluster.start();
      standby.client = await connect(t, cluster.url({ database: db.name }));
    },
    dropReceiver: async () => {
      const before = await streams();
      await admin.query('select pg_terminate_backend($1)', [before]);
      await eventually('it streams again', async () => ![before, null].includes(await receiver()), {
        within: 60_000,
      });
    },
    hasRow: (n: number) =>
      eventually(`row ${n} is there`, () =>
        standby.client.value(`select exists (select from kept where n = ${n})`),
      ),
    /** A file where the directory was: nothing can be read, and nothing be made in its place. */
    hideRepository: async () => {
      await rename(repository, `${repository}.away`);
      await writeFile(repository, '');
    },
    showRepository: async () => {
      await rm(repository);
      await rename(`${repository}.away`, repository);
    },
  };
}
