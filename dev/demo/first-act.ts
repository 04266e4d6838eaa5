// The first act: a tool that knows nothing of PostgreSQL copies the files while a row holds the backup open; from an
// empty machine to a restored server that is proven right.
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SqlClient } from '../harness/sql-client.ts';
import { createCluster, type EmbeddedCluster } from '../embedded/cluster.ts';
import { asServerUser } from '../embedded/server-user.ts';
import { openBank, startLoad, type Acknowledged, type Load } from './bank.ts';
import { empty, sizeOf, tarUp } from './copy.ts';
import { install, startWorker, type Worker } from './holdfast.ts';
import { restoreProperly, restoreWithoutLabel, restoreWithoutWal } from './proofs.ts';
import type { Backup } from './restore.ts';
import type { Stage } from './stage.ts';

/** @returns what was proven, a line each */
export async function firstAct(stage: Stage): Promise<string[]> {
  const { tell } = stage;
  const server = await startServer(stage);
  const worker = await installHoldfast(stage, server);
  const load = await startLoad(tell, server.url());
  const tool = await stage.connect(server.url({ user: 'backup_tool' }));

  const id = await requestBackup(stage, tool);
  const copy = await copyWithTar(stage, server, load);
  const { backup, promised } = await finishBackup(stage, tool, id, server, load, copy);
  await loseServer(stage, server, load, worker);

  return [
    ...(await restoreWithoutLabel(tell, backup, promised)),
    ...(await restoreWithoutWal(tell, backup)),
    ...(await restoreProperly(tell, backup, promised)),
  ];
}

async function startServer(stage: Stage): Promise<EmbeddedCluster> {
  const { tell } = stage;
  tell.step('A PostgreSQL server that archives its WAL, and has a tablespace on a second disk');
  const server = await createCluster();
  stage.onEnd(() => server.remove());
  await server.start();
  await asServerUser.mkdir(secondDisk(server));
  const dba = await stage.connect(server.url());
  await openBank(dba, secondDisk(server));
  tell.rows(
    await dba.query(`select current_setting('server_version') as postgresql, current_setting('archive_mode') as archive_mode,
    pg_tablespace_location(oid) as second_disk from pg_tablespace where spcname = 'second_disk'`),
  );
  await dba.close();
  return server;
}

function secondDisk(server: EmbeddedCluster): string {
  return join(server.directory, 'second-disk');
}

function labels(server: EmbeddedCluster): string {
  return join(server.directory, 'labels');
}

async function installHoldfast(stage: Stage, server: EmbeddedCluster): Promise<Worker> {
  const { tell } = stage;
  tell.step('Holdfast is installed; two ordinary roles, no superuser; a worker starts');
  await install(stage, server);
  await mkdir(labels(server));
  tell.command('holdfast worker &');
  return startWorker(stage, server, { env: { HOLDFAST_LABELS: labels(server) } });
}

async function requestBackup(stage: Stage, tool: SqlClient): Promise<number> {
  const { tell } = stage;
  tell.step('Any SQL client requests a backup: a row');
  const [request] = await stage.query<{ id: number }>(
    tool,
    "INSERT INTO holdfast.backup_request (label, fast) VALUES ('nightly', true) RETURNING id",
  );
  const id = Number(request?.id);
  await stage.reach(tool, id, 'running');
  await stage.query(tool, `SELECT state, start_lsn, start_wal FROM holdfast.backup_request WHERE id = ${id}`);
  tell.say(
    'It is running: copy now. The session that PostgreSQL needs is held by the worker, not by this client.',
  );
  await stage.query(tool, 'SELECT session, stage, waiting_for FROM holdfast.backup_status');
  return id;
}

interface Copy {
  base: string;
  tablespace: string;
}

async function copyWithTar(stage: Stage, server: EmbeddedCluster, load: Load): Promise<Copy> {
  const { tell } = stage;
  tell.step('A tool that knows nothing of PostgreSQL copies the files while they change');
  const directory = join(server.directory, 'copy');
  await asServerUser.mkdir(directory);
  tell.say(`In ${server.directory}:`);
  const before = load.transfers;
  await tar(stage, server, 'copy/second-disk.tar', 'second-disk');
  await load.more(2500);
  // Every copy that takes longer than checkpoint_timeout has one in the middle.
  const dba = await stage.connect(server.url());
  tell.sql('dba', 'CHECKPOINT;   -- as the server does every few minutes by itself');
  await dba.query('checkpoint');
  await dba.close();
  await load.more(1000);
  await tar(stage, server, 'copy/base.tar', 'data');
  const meanwhile = load.transfers - before;
  tell.say(`${await sizeOf(directory)} copied; meanwhile ${meanwhile} transfers were committed`);
  return { base: join(directory, 'base.tar'), tablespace: join(directory, 'second-disk.tar') };
}

async function tar(stage: Stage, server: EmbeddedCluster, file: string, directory: string): Promise<void> {
  const { command, status } = await tarUp(server.directory, file, directory);
  stage.tell.command(command);
  if (status === 1)
    stage.tell.say('tar: a file changed as we read it (exit status 1): expected, recovery mends it');
}

async function finishBackup(
  stage: Stage,
  tool: SqlClient,
  id: number,
  server: EmbeddedCluster,
  load: Load,
  copy: Copy,
): Promise<{ backup: Backup; promised: Acknowledged }> {
  const { tell } = stage;
  tell.step('The copy is finished, says the client; the label comes back in the same row');
  const promised = [...load.acknowledged];
  await stage.query(tool, `UPDATE holdfast.backup_request SET state = 'done' WHERE id = ${id}`);
  await stage.reach(tool, id, 'complete');
  const [end] = await stage.query<{ stop_wal: string }>(
    tool,
    `SELECT state, stop_lsn, stop_wal FROM holdfast.backup_request WHERE id = ${id}`,
  );
  const text = `SELECT backup_label, tablespace_map FROM holdfast.backup_request WHERE id = ${id}`;
  tell.sql('backup_tool', `${text};`);
  const [row] = await tool.query<{ backup_label: string; tablespace_map: string }>(text);
  if (!row || !end) throw new Error(`backup request ${id} is gone`);
  tell.say(`--- backup_label\n${row.backup_label}--- tablespace_map\n${row.tablespace_map}---`);

  const [label, map] = [Buffer.from(row.backup_label), Buffer.from(row.tablespace_map)];
  await requireSameInLabelDirectory(stage, server, label, map);
  const backup = {
    base: copy.base,
    tablespace: { tar: copy.tablespace, location: secondDisk(server) },
    label,
    map,
    stopWal: end.stop_wal,
    restoreCommand: `cp "${server.archiveDirectory}/%f" "%p"`,
  };
  return { backup, promised };
}

async function requireSameInLabelDirectory(
  stage: Stage,
  server: EmbeddedCluster,
  label: Buffer,
  map: Buffer,
): Promise<void> {
  const directory = join(labels(server), 'main');
  const [entry = ''] = await readdir(directory);
  const same = async (name: string, content: Buffer) =>
    (await readFile(join(directory, entry, name))).equals(content);
  if (!(await same('backup_label', label)) || !(await same('tablespace_map', map))) {
    throw new Error(`${join(directory, entry)} does not hold what the row says`);
  }
  stage.tell.say(
    `Byte for byte the same is in the label directory: main/${entry}/{backup_label,tablespace_map,backup.json}`,
  );
}

async function loseServer(stage: Stage, server: EmbeddedCluster, load: Load, worker: Worker): Promise<void> {
  const { tell } = stage;
  tell.step('The server is lost with all its files: the copy and the archive remain');
  await load.more(300);
  await load.stop();
  await worker.stop();
  await server.stop('immediate');
  for (const directory of [server.dataDirectory, secondDisk(server)]) await empty(directory);
  tell.say(`${load.transfers} transfers had been committed by then`);
}
