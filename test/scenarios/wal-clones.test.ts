// Two servers that are the same up to a moment archive into one repository: what the one has archived, the other cannot
// pass over.
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import type { EmbeddedCluster } from '../../dev/embedded/cluster.ts';
import { cloneOf, standbyOf } from '../support/clones.ts';
import { noOwnCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { noRestore } from '../support/restored-copy.ts';
import { scene } from '../support/scene.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';
import { archivingServer, noArchivingServer, startArchivingWorker } from '../support/wal.ts';

const test = testWhen(noOwnCluster, noArchivingServer, noRestore).serial;
const refusals = /is different from/g;

test('of two standbys promoted at the same place, the second one archives nothing of the timeline of the first', async (t) => {
  const server = await archivingServer(t, { initdb: ['--wal-segsize=1'] });
  const { cluster, repository, restoreCommand, pushCommand } = server;
  const { db, workerLogin } = await scene(t, cluster);
  await cluster.stop();
  const settings = { restore_command: restoreCommand, archive_command: 'false' };
  const [first, second] = [await standbyOf(t, cluster, settings), await standbyOf(t, cluster, settings)];
  await cluster.start();
  const primary = await connect(t, db.url);
  const last = await primary.value<string>('select pg_walfile_name(pg_switch_wal())');
  await eventually('all of the primary is archived', () => existsSync(server.archived(last)));
  await cluster.stop();
  await first.start();
  await second.start();

  // Neither knows of the other: their archive does not have a history yet.
  const winner = await promoted(t, first, db.name);
  const loser = await promoted(t, second, db.name);
  await winner.query(`alter system set archive_command = '${pushCommand}'`);
  await winner.query('select pg_reload_conf()');
  const theirs = [await switched(winner), await switched(winner)];
  await eventually('the first one archives', () => theirs.every((name) => existsSync(server.archived(name))));

  const ours: string[] = [];
  for (let n = 0; n < 8; n += 1) ours.push(await switched(loser));
  t.is(ours[0]?.slice(0, 8), '00000002');
  await loser.query(`alter system set archive_command = '${pushCommand}'`);
  await loser.query('select pg_reload_conf()');
  await startWorkerAt(t, second, repository, workerLogin.url);
  await untilRefusedAgain(second, loser);

  const isTheirs = await contents(first);
  for (const name of await archivedOn(repository, '00000002')) {
    const archived = zstdDecompressSync(await readFile(server.archived(name)));
    t.true(isTheirs.get(name)?.equals(archived), `${name} is the first one's`);
  }
  const more = await switched(winner);
  await eventually('and the first one goes on', () => existsSync(server.archived(more)));
  await cluster.start(); // to have its logins dropped
});

test('a crash-consistent copy with a worker, started beside the original, archives nothing behind what it is refused', async (t) => {
  const server = await archivingServer(t, { initdb: ['--wal-segsize=1'] });
  const { cluster, repository } = server;
  const stage = await scene(t, cluster);
  await eventually('the first push', async () => {
    await stage.admin.query('select pg_switch_wal()');
    return existsSync(join(String(cluster.dataDirectory), 'pg_wal/pgsql_tmp.holdfast.push/target'));
  });
  const before = await switched(stage.admin);
  await eventually('all is archived', () => existsSync(server.archived(before)));
  await cluster.stop('immediate');
  const copy = await cloneOf(t, cluster);
  await cluster.start();
  const production = await connect(t, stage.db.url);
  const first = await switched(production);
  await eventually('production archives its next one', () => existsSync(server.archived(first)));

  await copy.start();
  const atCopy = await connect(t, copy.url({ database: stage.db.name }));
  for (let n = 0; n < 8; n += 1) await switched(atCopy);
  await startWorkerAt(t, copy, repository, stage.workerLogin.url);
  await untilRefusedAgain(copy, atCopy);
  const behind = (await archivedOn(repository, '00000001')).filter((name) => name > first);
  t.deepEqual(behind, []);

  const names: string[] = [];
  for (let n = 0; n < 6; n += 1) names.push(await switched(production));
  await eventually('production archives all of its own', () =>
    names.every((name) => existsSync(server.archived(name))),
  );
  t.is(await production.value('select failed_count::int from pg_stat_archiver'), 0);
});

/** The same login as at the original. */
async function startWorkerAt(
  t: ExecutionContext,
  cluster: EmbeddedCluster,
  repository: string,
  login: string,
) {
  const { host } = new URL(login);
  const url = login.replace(host, `${cluster.host}:${cluster.port}`);
  const serverDirectory: EmbeddedCluster['makeDirectory'] = (name) => cluster.makeDirectory(name);
  await startArchivingWorker(t, { cluster: { serverDirectory }, repository }, url);
}

/** As a primary. */
async function promoted(t: ExecutionContext, cluster: EmbeddedCluster, database: string) {
  const client = await connect(t, cluster.url({ database }));
  // What the archive has is replayed before.
  await client.query('select pg_promote()');
  return client;
}

/** Writes a segment, and another beginning of the next one. */
async function switched(client: SqlClient): Promise<string> {
  await client.query('create table if not exists written (by text)');
  await client.query('insert into written select random()::text from generate_series(1, 100)');
  return client.value('select pg_walfile_name(pg_switch_wal())');
}

/** The archiver tries three times, a second apart, whenever there is a new segment, which a worker hears of at once. */
async function untilRefusedAgain({ logFile }: EmbeddedCluster, client: SqlClient): Promise<void> {
  const refused = async () => (await readFile(logFile, 'utf8')).match(refusals)?.length ?? 0;
  const before = await eventually('it is refused', async () => (await refused()) || undefined);
  await switched(client);
  await eventually('it is refused again', async () => (await refused()) >= before + 3);
}

async function archivedOn(repository: string, timeline: string): Promise<string[]> {
  const names = await readdir(join(repository, 'main/wal'), { recursive: true });
  return names
    .flatMap((path) => /([0-9A-F]{24})\.zst$/.exec(path)?.slice(1) ?? [])
    .filter((name) => name.startsWith(timeline));
}

/** Of the segments in its pg_wal. */
async function contents({ dataDirectory }: EmbeddedCluster): Promise<Map<string, Buffer>> {
  const wal = join(dataDirectory, 'pg_wal');
  const names = (await readdir(wal)).filter((name) => /^[0-9A-F]{24}$/.test(name));
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(join(wal, name))] as const)),
  );
}
