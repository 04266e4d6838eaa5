/** A real archiver with a backlog: the time from when all of it waits until all of it is archived. */
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { asServerUser, serverIdentity } from '../../dev/embedded/server-user.ts';
import { Connection } from '../../src/database/connection.ts';
import { install } from '../../src/control/install-schema.ts';
import { launch, type RunningProcess } from '../../dev/harness/children.ts';
import { withClient } from '../../dev/harness/sql-client.ts';
import type { Peer } from './peers.ts';
import { stopwatch, type Taken } from './processor-time.ts';
import type { Setting } from './setting.ts';
import { program } from '../programs.ts';

/** Milliseconds. */
const poll = 10;
const settle = 1500;

export async function pushAll(setting: Setting, peer: Peer, clear = true): Promise<Taken> {
  const { server, segments } = setting;
  if (clear) await setting.clear();
  await markDone(setting);
  await archiveWith(setting, peer.command);
  await archiveOne(setting);
  const worker = peer.worker === true ? await startWorker(setting) : undefined;
  await sleep(settle); // what one run leaves to the disk is not the next one's
  const status = join(server.dataDirectory, 'pg_wal', 'archive_status');
  const sinceThen = stopwatch();
  for (const name of segments) await rename(join(status, `${name}.done`), join(status, `${name}.ready`));
  await switchWal(setting);
  const wanted = new Set(segments.map((name) => `${name}.done`));
  while ((await readdir(status)).filter((name) => wanted.has(name)).length < segments.length)
    await sleep(poll);
  const taken = sinceThen();
  await untilNoneWaits(setting); // what comes behind them, which would disturb the next run
  if (worker) {
    worker.kill('SIGTERM');
    await worker.exited;
  }
  await archiveWith(setting, '');
  return taken;
}

/** So that the archiver is awake, and what comes first has come. */
async function archiveOne(setting: Setting): Promise<void> {
  await switchWal(setting);
  await untilNoneWaits(setting);
}

async function untilNoneWaits(setting: Setting): Promise<void> {
  await withClient(setting.server.url(), async (client) => {
    for (;;) {
      const waiting = await client.value<number>(
        `select count(*)::int from pg_ls_archive_statusdir() where name like '%.ready'`,
      );
      if (waiting === 0) return;
      await sleep(poll);
    }
  });
}

async function markDone({ server }: Setting): Promise<void> {
  const status = join(server.dataDirectory, 'pg_wal', 'archive_status');
  for (const name of await readdir(status)) {
    await rm(join(status, name));
    await asServerUser.writeFile(join(status, `${name.replace(/\.(done|ready)$/, '')}.done`), '');
  }
}

async function archiveWith(setting: Setting, command: string): Promise<void> {
  await withClient(setting.server.url(), async (client) => {
    await client.query(`alter system set archive_command = '${command.replaceAll("'", "''")}'`);
    await client.query('select pg_reload_conf()');
  });
}

async function switchWal(setting: Setting): Promise<void> {
  await withClient(setting.server.url(), async (client) => {
    await client.query(`select pg_create_restore_point('a segment more')`);
    await client.query('select pg_switch_wal()');
  });
}

async function startWorker({ server, repository }: Setting): Promise<RunningProcess> {
  const url = server.url();
  const db = await Connection.open({ url });
  await install(db, 'holdfast');
  await db.close();
  const labels = join(server.directory, 'labels');
  await asServerUser.mkdir(labels);
  const env = {
    PATH: process.env['PATH'],
    DATABASE_URL: url,
    HOLDFAST_LABELS: labels,
    HOLDFAST_REPOSITORY: repository,
  };
  const as = serverIdentity();
  const worker = await launch(process.execPath, [program, 'worker'], { cwd: '/', env, as });
  await worker.untilLine(/\bready\b/);
  return worker;
}
