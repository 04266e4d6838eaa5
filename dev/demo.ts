// npm run demo: a backup driven from SQL, from an empty machine to a restored server that is proven right.
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openClient, type SqlClient } from '../test/support/sql-client.ts';
import { Load, openBank, type Acknowledged } from './demo/bank.ts';
import { empty, sizeOf, tarUp } from './demo/copy.ts';
import { Narrator } from './demo/narrator.ts';
import { restoreProperly, restoreWithoutLabel, restoreWithoutWal } from './demo/proofs.ts';
import type { Backup } from './demo/restore.ts';
import { holdfast, startWorker } from './demo/worker.ts';
import { createCluster, type EmbeddedCluster } from './embedded/cluster.ts';
import { asServerUser } from './embedded/server-user.ts';

const tell = new Narrator();
const endings: (() => void | Promise<void>)[] = [];
const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };
let interrupted = false;

for (const [signal, status] of Object.entries(signals)) {
  process.on(signal, () => {
    if (interrupted) return;
    interrupted = true;
    console.log(`\n${signal}: cleaning up`);
    void cleanUp().finally(() => process.exit(status));
  });
}

try {
  await demo();
} catch (error) {
  if (!interrupted) {
    const reason = error instanceof Error ? error.message : String(error);
    console.error(`\nThe demo failed after ${tell.elapsed.toFixed(1)} s: ${reason}`);
    process.exitCode = 1;
  }
} finally {
  if (!interrupted) await cleanUp();
}

async function demo(): Promise<void> {
  console.log('Holdfast: a PostgreSQL backup driven from SQL, copied by tar, restored and checked.');
  const server = await startServer();
  const worker = await installHoldfast(server);
  const load = await startLoad(server);
  const tool = await connect(server.url({ user: 'backup_tool' }));

  const id = await requestBackup(tool);
  const copy = await copyWithTar(server, load);
  const { backup, promised } = await finishBackup(tool, id, server, load, copy);
  await loseServer(server, load, worker);

  const proven = [
    ...(await restoreWithoutLabel(tell, backup, promised)),
    ...(await restoreWithoutWal(tell, backup)),
    ...(await restoreProperly(tell, backup, promised)),
  ];
  tell.step('Proven');
  for (const line of proven) tell.say(`- ${line}`);
  console.log(
    `\nDone in ${tell.elapsed.toFixed(1)} s. Nothing is left behind; "npm start" gives you one to keep.`,
  );
}

async function startServer(): Promise<EmbeddedCluster> {
  tell.step('A PostgreSQL server that archives its WAL, and has a tablespace on a second disk');
  const server = await createCluster();
  endings.unshift(() => server.remove());
  await server.start();
  await asServerUser.mkdir(secondDisk(server));
  const dba = await connect(server.url());
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

async function installHoldfast(server: EmbeddedCluster): Promise<{ stop(): Promise<void> }> {
  tell.step('Holdfast is installed; two ordinary roles, no superuser; a worker starts');
  tell.command('holdfast install');
  tell.say(await holdfast(['install'], { url: server.url(), labels: labels(server) }));
  const dba = await connect(server.url());
  for (const statement of [
    'create role holdfast_agent login;\n' +
      'grant holdfast_worker, pg_monitor to holdfast_agent;\n' +
      'grant execute on function pg_backup_start(text, boolean), pg_backup_stop(boolean) to holdfast_agent',
    'create role backup_tool login;\ngrant holdfast_requester to backup_tool',
  ]) {
    tell.sql('dba', `${statement};`);
    await dba.query(statement);
  }
  await dba.close();

  await mkdir(labels(server));
  tell.command('holdfast worker &');
  const where = { url: server.url({ user: 'holdfast_agent' }), labels: labels(server) };
  const worker = await startWorker(where, (stop) => void endings.unshift(stop));
  tell.say(await worker.untilLine(/\bready\b/));
  return {
    async stop() {
      worker.kill('SIGTERM');
      const { status, signal } = await worker.exited;
      if (status !== 0) throw new Error(`the worker ended with ${signal ?? status}: ${worker.output()}`);
    },
  };
}

async function startLoad(server: EmbeddedCluster): Promise<Load> {
  tell.step('Four tellers move money between tables in two tablespaces, without a pause');
  const load = new Load();
  await load.start(server.url());
  await load.more(200);
  tell.say(`${load.transfers} transfers committed`);
  return load;
}

async function requestBackup(tool: SqlClient): Promise<number> {
  tell.step('Any SQL client requests a backup: a row');
  const [request] = await query<{ id: number }>(
    tool,
    "INSERT INTO holdfast.backup_request (label, fast) VALUES ('nightly', true) RETURNING id",
  );
  const id = Number(request?.id);
  await reach(tool, id, 'running');
  await query(tool, `SELECT state, start_lsn, start_wal FROM holdfast.backup_request WHERE id = ${id}`);
  tell.say(
    'It is running: copy now. The session that PostgreSQL needs is held by the worker, not by this client.',
  );
  await query(tool, 'SELECT session, stage, waiting_for FROM holdfast.backup_status');
  return id;
}

interface Copy {
  base: string;
  tablespace: string;
}

async function copyWithTar(server: EmbeddedCluster, load: Load): Promise<Copy> {
  tell.step('A tool that knows nothing of PostgreSQL copies the files while they change');
  const directory = join(server.directory, 'copy');
  await asServerUser.mkdir(directory);
  tell.say(`In ${server.directory}:`);
  const before = load.transfers;
  await tar(server, 'copy/second-disk.tar', 'second-disk');
  await load.more(4000);
  // Every copy that takes longer than checkpoint_timeout has one in the middle.
  const dba = await connect(server.url());
  tell.sql('dba', 'CHECKPOINT;   -- as the server does every few minutes by itself');
  await dba.query('checkpoint');
  await dba.close();
  await load.more(2000);
  await tar(server, 'copy/base.tar', 'data');
  const meanwhile = load.transfers - before;
  tell.say(`${await sizeOf(directory)} copied; meanwhile ${meanwhile} transfers were committed`);
  return { base: join(directory, 'base.tar'), tablespace: join(directory, 'second-disk.tar') };
}

async function tar(server: EmbeddedCluster, file: string, directory: string): Promise<void> {
  const { command, status } = await tarUp(server.directory, file, directory);
  tell.command(command);
  if (status === 1)
    tell.say('tar: a file changed as we read it (exit status 1): expected, recovery mends it');
}

async function finishBackup(
  tool: SqlClient,
  id: number,
  server: EmbeddedCluster,
  load: Load,
  copy: Copy,
): Promise<{ backup: Backup; promised: Acknowledged }> {
  tell.step('The copy is finished, says the client; the label comes back in the same row');
  const promised = [...load.acknowledged];
  await query(tool, `UPDATE holdfast.backup_request SET state = 'done' WHERE id = ${id}`);
  await reach(tool, id, 'complete');
  const [end] = await query<{ stop_wal: string }>(
    tool,
    `SELECT state, stop_lsn, stop_wal FROM holdfast.backup_request WHERE id = ${id}`,
  );
  const text = `SELECT backup_label, tablespace_map FROM holdfast.backup_request WHERE id = ${id}`;
  tell.sql('backup_tool', `${text};`);
  const [row] = await tool.query<{ backup_label: string; tablespace_map: string }>(text);
  if (!row || !end) throw new Error(`backup request ${id} is gone`);
  tell.say(`--- backup_label\n${row.backup_label}--- tablespace_map\n${row.tablespace_map}---`);

  const [label, map] = [Buffer.from(row.backup_label), Buffer.from(row.tablespace_map)];
  await requireSameInLabelDirectory(server, label, map);
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
  tell.say(
    `Byte for byte the same is in the label directory: main/${entry}/{backup_label,tablespace_map,backup.json}`,
  );
}

async function loseServer(
  server: EmbeddedCluster,
  load: Load,
  worker: { stop(): Promise<void> },
): Promise<void> {
  tell.step('The server is lost with all its files: the copy and the archive remain');
  await load.more(300);
  await load.stop();
  await worker.stop();
  await server.stop('immediate');
  for (const directory of [server.dataDirectory, secondDisk(server)]) await empty(directory);
  tell.say(`${load.transfers} transfers had been committed by then`);
}

async function connect(url: string): Promise<SqlClient> {
  const client = await openClient(url);
  endings.unshift(() => client.close());
  return client;
}

/** As the backup tool's operator types it. */
async function query<R extends Record<string, string | number | null>>(
  tool: SqlClient,
  text: string,
): Promise<R[]> {
  tell.sql('backup_tool', `${text};`);
  const rows = await tool.query<R>(text);
  tell.rows(rows);
  return rows;
}

/** Any client can poll; one that holds a connection may also LISTEN. */
async function reach(tool: SqlClient, id: number, wanted: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const [row] = await tool.query<{ state: string; error: string | null; hint: string | null }>(
      'SELECT state, error, hint FROM holdfast.backup_request WHERE id = $1',
      [id],
    );
    if (row?.state === wanted) return;
    if (row?.state === 'failed')
      throw new Error(`backup request ${id} has failed: ${row.error} (${row.hint})`);
    if (performance.now() > deadline)
      throw new Error(`backup request ${id} is still ${row?.state} after 60 s`);
    await sleep(20);
  }
}

async function cleanUp(): Promise<void> {
  for (const ending of endings.splice(0)) {
    try {
      await ending();
    } catch {
      // What cannot be ended has ended already.
    }
  }
}
