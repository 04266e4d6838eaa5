// npm run demo: a backup driven from SQL, from an empty machine to a restored server that is proven right.
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openClient, type SqlClient } from '../test/support/sql-client.ts';
import { amcheck } from './demo/amcheck.ts';
import { audit, Load, openBank, type Acknowledged, type Finding } from './demo/bank.ts';
import { sizeOf, tarUp } from './demo/copy.ts';
import { Narrator } from './demo/narrator.ts';
import { lastWord, restore, type Backup } from './demo/restore.ts';
import { holdfast, startWorker } from './demo/worker.ts';
import { createCluster, type EmbeddedCluster } from './embedded/cluster.ts';
import { asServerUser } from './embedded/server-user.ts';

const tell = new Narrator();
const endings: (() => Promise<void>)[] = [];

for (const [signal, status] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]] as const) {
  process.once(signal, () => {
    console.log('\nstopping');
    void end().finally(() => process.exit(status));
  });
}

try {
  await demo();
} catch (error) {
  console.error(`\nThe demo failed after ${tell.elapsed.toFixed(1)} s: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await end();
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

  const caught = [await restoreWithoutLabel(backup, promised), await restoreWithoutWal(backup)];
  const findings = await restoreAsOneShould(backup, promised);
  conclude(findings, caught);
}

async function startServer(): Promise<EmbeddedCluster> {
  tell.step('A PostgreSQL server that archives its WAL, with a tablespace of its own for some tables');
  const server = await createCluster();
  endings.unshift(() => server.remove());
  await server.start();
  await asServerUser.mkdir(secondDisk(server));
  const dba = await connect(server.url());
  await openBank(dba, secondDisk(server));
  tell.rows(await dba.query(`select current_setting('server_version') as postgresql, current_setting('archive_mode') as archive_mode,
    pg_tablespace_location(oid) as second_disk from pg_tablespace where spcname = 'second_disk'`));
  await dba.close();
  return server;
}

const secondDisk = (server: EmbeddedCluster) => join(server.directory, 'second-disk');
const labels = (server: EmbeddedCluster) => join(server.directory, 'labels');

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
  tell.step('Four tellers move money between two tables in two tablespaces, from now on without a pause');
  const load = new Load();
  await load.start(server.url());
  await load.more(200);
  tell.say(`${load.transfers} transfers committed`);
  return load;
}

async function requestBackup(tool: SqlClient): Promise<number> {
  tell.step('Any SQL client requests a backup: a row');
  const [request] = await query<{ id: number }>(tool, "INSERT INTO holdfast.backup_request (label, fast) VALUES ('nightly', true) RETURNING id");
  const id = Number(request?.id);
  await reach(tool, id, 'running');
  await query(tool, `SELECT state, start_lsn, start_wal FROM holdfast.backup_request WHERE id = ${id}`);
  tell.say('It is running: copy now. The session that PostgreSQL needs is held by the worker, not by this client.');
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
  const copy = { base: join(directory, 'base.tar'), tablespace: join(directory, 'second-disk.tar') };

  const before = load.transfers;
  await tar(secondDisk(server), copy.tablespace);
  await load.more(1500);
  // Every copy that takes longer than checkpoint_timeout has one in the middle.
  const dba = await connect(server.url());
  tell.sql('dba', 'CHECKPOINT;   -- as the server does every few minutes by itself');
  await dba.query('checkpoint');
  await dba.close();
  await load.more(500);
  await tar(server.dataDirectory, copy.base);
  tell.say(`${await sizeOf(directory)} copied; meanwhile ${load.transfers - before} transfers were committed`);
  return copy;
}

async function tar(directory: string, file: string): Promise<void> {
  const { command, status } = await tarUp(directory, file);
  tell.command(command);
  if (status === 1) tell.say('tar: a file changed as we read it (exit status 1): expected, recovery mends it');
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
  await query(tool, `SELECT state, stop_lsn, stop_wal, archived_at - done_at AS took FROM holdfast.backup_request WHERE id = ${id}`);
  const [row] = await query<{ backup_label: string; tablespace_map: string; start_wal: string }>(
    tool,
    `SELECT backup_label, tablespace_map FROM holdfast.backup_request WHERE id = ${id}`,
    { quiet: true },
  );
  if (!row) throw new Error(`request ${id} is gone`);
  tell.say(`--- backup_label\n${row.backup_label}--- tablespace_map\n${row.tablespace_map}---`);

  const [label, map] = [Buffer.from(row.backup_label), Buffer.from(row.tablespace_map)];
  await requireSameInLabelDirectory(server, label, map);
  const backup = {
    base: copy.base,
    tablespace: { tar: copy.tablespace, location: secondDisk(server) },
    label,
    map,
    restoreCommand: `cp "${server.archiveDirectory}/%f" "%p"`,
  };
  return { backup, promised };
}

async function requireSameInLabelDirectory(server: EmbeddedCluster, label: Buffer, map: Buffer): Promise<void> {
  const directory = join(labels(server), 'main');
  const [entry = ''] = await readdir(directory);
  const same = async (name: string, content: Buffer) => (await readFile(join(directory, entry, name))).equals(content);
  if (!(await same('backup_label', label)) || !(await same('tablespace_map', map))) {
    throw new Error(`${join(directory, entry)} does not hold what the row says`);
  }
  tell.say(`Byte for byte the same is in the label directory: main/${entry}/{backup_label,tablespace_map,backup.json}`);
}

async function loseServer(server: EmbeddedCluster, load: Load, worker: { stop(): Promise<void> }): Promise<void> {
  tell.step('The server is lost, with its data directory and its tablespace: the copy and the archive remain');
  await load.more(300);
  await load.stop();
  await worker.stop();
  await server.stop('immediate');
  for (const directory of [server.dataDirectory, secondDisk(server)]) {
    await asServerUser.run('find', [directory, '-mindepth', '1', '-delete']);
  }
  tell.say(`${load.transfers} transfers had been committed by then`);
}

async function restoreWithoutLabel(backup: Backup, promised: Acknowledged): Promise<string> {
  tell.step('First the mistake that loses data: the same copy and archive, started without backup_label');
  let outcome: string;
  try {
    const restored = await restore({ ...backup, label: undefined, map: undefined });
    try {
      tell.say('PostgreSQL starts without a complaint. The check of the bank says:');
      const findings = await promptly(restored, (client) => audit(client, promised));
      report(findings);
      if (findings.every(({ holds }) => holds)) throw new Error('the check did not notice that backup_label was missing');
      outcome = 'the same copy without backup_label: PostgreSQL started, and the check found the damage';
    } finally {
      await restored.remove();
    }
  } catch (error) {
    if (!/\b(FATAL|PANIC):/.test(String(error))) throw error;
    tell.say(`PostgreSQL refuses: ${lastWord(error)}`);
    outcome = 'the same copy without backup_label: PostgreSQL refused it';
  }
  return outcome;
}

async function restoreWithoutWal(backup: Backup): Promise<string> {
  tell.step('Then with the label, but the last WAL segment that it needs missing from the archive');
  const stopWal = await lastSegment(backup);
  tell.say(`restore_command = 'test %f != ${stopWal} && ${backup.restoreCommand}'`);
  const incomplete = { ...backup, restoreCommand: `test %f != ${stopWal} && ${backup.restoreCommand}` };
  const restored = await restore(incomplete).catch((error: unknown) => lastWord(error));
  if (typeof restored !== 'string') {
    await restored.remove();
    throw new Error('PostgreSQL accepted a backup without the last segment of its WAL');
  }
  tell.say(`PostgreSQL refuses: ${restored}`);
  return `the same copy without its last WAL segment: PostgreSQL refused it`;
}
