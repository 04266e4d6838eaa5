// PostgreSQL's own tools on a data directory that Holdfast has archived from and fetched into.
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { noTool, toolsOf } from '../../dev/debian/postgres-tools.ts';
import { asServerUser } from '../../dev/embedded/server-user.ts';
import { standbyOf } from '../support/clones.ts';
import { noOwnCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { noRestore } from '../support/restored-copy.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';
import { archivingServer, noArchivingServer } from '../support/wal.ts';

const version = Number(process.env['TEST_PG_VERSION'] ?? 18);
const tools = toolsOf(version, 'pg_rewind');

const test = testWhen(noOwnCluster, noArchivingServer, noRestore, noTool(version, 'pg_rewind')).serial;

test('pg_rewind of a standby that has just been stopped, with segments made ready for it, succeeds', async (t) => {
  const server = await archivingServer(t, { initdb: ['--wal-segsize=1', '--data-checksums'] });
  const { cluster, restoreCommand } = server;
  const primary = await connect(t, cluster.url());
  await primary.query('create table kept (by text)');
  const fork = await primary.value<string>('select pg_walfile_name(pg_switch_wal())');
  await eventually('the archive has all of it', () => existsSync(server.archived(fork)));
  await cluster.stop();
  const settings = { restore_command: restoreCommand, archive_command: 'false' };
  const [chosen, left] = [await standbyOf(t, cluster, settings), await standbyOf(t, cluster, settings)];
  await chosen.start();
  const promoted = await connect(t, chosen.url());
  await promoted.query('select pg_promote()');
  await promoted.query(`insert into kept values ('the chosen one')`);
  await promoted.query('checkpoint');

  await cluster.start();
  const old = await connect(t, cluster.url());
  let [last, target] = ['', ''];
  for (let n = 0; n < 40; n += 1) {
    await old.query(`insert into kept values ('the old one')`);
    if (n === 5) target = await old.value('select pg_current_wal_lsn()');
    last = await old.value('select pg_walfile_name(pg_switch_wal())');
  }
  await eventually('the archive has all of it', () => existsSync(server.archived(last)), { within: 120_000 });
  // It stays there, and what comes next is made ready.
  await left.appendSettings({ recovery_target_lsn: target, recovery_target_action: 'pause' });
  await left.start();
  const spool = join(left.dataDirectory, 'pg_wal/pgsql_tmp.holdfast.fetch');
  await eventually('segments are ready', async () => (await segmentsIn(spool)).length > 3);

  await left.stop();
  const source = `host=${chosen.host} port=${chosen.port} user=postgres dbname=postgres`;
  const data = left.dataDirectory;
  const said = await rewind('--target-pgdata', data, '--source-server', source, '--restore-target-wal');
  t.regex(said, /Done!/);
  t.true((await stat(join(data, 'postgresql.conf'))).size > 0);
  t.deepEqual(await oursIn(data), [], 'nothing of ours is left');

  await left.start();
  const rewound = await connect(t, left.url());
  t.deepEqual(await rewound.query('select distinct by from kept'), [{ by: 'the chosen one' }]);
});

test('a restore_command of a tool, where no server runs, leaves and removes nothing but its file', async (t) => {
  const server = await archivingServer(t, { initdb: ['--wal-segsize=1'] });
  const client = await connect(t, server.cluster.url());
  const names: string[] = [];
  for (let n = 0; n < 3; n += 1) {
    await client.query(`create table written_${n} (by text)`);
    names.push(await client.value('select pg_walfile_name(pg_switch_wal())'));
  }
  await eventually('they are archived', () => names.every((name) => existsSync(server.archived(name))));
  await server.cluster.stop();
  const standby = await standbyOf(t, server.cluster, {});
  const wal = join(standby.dataDirectory, 'pg_wal');
  const spool = join(wal, 'pgsql_tmp.holdfast.fetch');
  await asServerUser.mkdir(spool);
  await asServerUser.writeFile(join(spool, 'owner'), 'whose read-ahead was killed');
  const before = await readdir(wal, { recursive: true });
  const command = server.restoreCommand.replace('%f', String(names[0])).replace('%p', 'pg_wal/RECOVERED');
  await asServerUser.run('sh', ['-c', command], { cwd: standby.dataDirectory });
  t.deepEqual((await readdir(wal, { recursive: true })).sort(), [...before, 'RECOVERED'].sort());
});

test("PostgreSQL's tools pass over what Holdfast keeps in a data directory", async (t) => {
  const server = await archivingServer(t, { initdb: ['--wal-segsize=1', '--data-checksums'] });
  const { cluster } = server;
  const client = await connect(t, cluster.url());
  const name = await client.value<string>('select pg_walfile_name(pg_switch_wal())');
  await eventually('it is archived', () => existsSync(server.archived(name)));
  const data = String(cluster.dataDirectory);
  await eventually('marks are left', async () => (await oursIn(data)).length > 0);
  const copy = await cluster.serverDirectory('basebackup');
  await tool('pg_basebackup', '-D', copy, '-d', cluster.url(), '--checkpoint=fast');
  t.deepEqual(await oursIn(copy), []);
  await cluster.stop();
  t.regex(await tool('pg_checksums', '--check', '-D', data), /Bad checksums: +0/);
  t.regex(await tool('pg_resetwal', '--dry-run', '-D', data), /system identifier/);
  const target = await standbyOf(t, cluster, {});
  await cluster.start();
  const source = `host=127.0.0.1 port=${new URL(cluster.url()).port} user=postgres dbname=postgres`;
  t.regex(
    await rewind('--target-pgdata', target.dataDirectory, '--source-server', source),
    /no rewind required/,
  );
});

async function rewind(...args: string[]): Promise<string> {
  return tool('pg_rewind', ...args);
}

/** As the server's user; what it said. */
async function tool(name: string, ...args: string[]): Promise<string> {
  const command = ['exec', '"$@"', '2>&1'].join(' ');
  return asServerUser.run('sh', ['-c', command, 'sh', join(String(tools), name), ...args], { cwd: '/' });
}

async function oursIn(directory: string): Promise<string[]> {
  const names = await readdir(directory, { recursive: true });
  return names.filter((name) => name.includes('holdfast'));
}

async function segmentsIn(spool: string): Promise<string[]> {
  const names = await readdir(spool).catch((): string[] => []);
  return names.filter((name) => /^[0-9A-F]{24}$/.test(name));
}
