import { existsSync, readdirSync } from 'node:fs';
import anyTest from 'ava';
import { freshDatabase, noOwnCluster, ownCluster, sharedCluster } from './cluster.ts';
import { connect } from './sql-client.ts';
import { eventually } from './eventually.ts';
import { testWhen } from './test-when.ts';

const ownTest = testWhen(noOwnCluster);

anyTest('the shared cluster gives each test a database of its own', async (t) => {
  const first = await freshDatabase(t);
  const second = await freshDatabase(t, await sharedCluster(), { encoding: 'SQL_ASCII', locale: 'C' });
  t.not(first.name, second.name);

  const client = await connect(t, second.url);
  t.is(await client.value('select current_database()'), second.name);
  t.is(await client.value('show server_encoding'), 'SQL_ASCII');
});

anyTest('a database is dropped although somebody is connected to it', async (t) => {
  const { url } = await freshDatabase(t);
  const client = await connect(t, url);
  t.is(await client.value('select 1'), 1);
});

ownTest('two clusters differ in their system identifiers', async (t) => {
  const identifier = async () => {
    const client = await connect(t, (await ownCluster(t)).url());
    return client.value('select system_identifier from pg_control_system()');
  };
  t.not(await identifier(), await identifier());
});

ownTest('a cluster keeps its address and its data through a restart', async (t) => {
  const cluster = await ownCluster(t);
  const { url } = await freshDatabase(t, cluster);
  const before = await connect(t, url);
  await before.query('create table kept (n int); insert into kept values (42)');

  await cluster.restart('immediate');
  await t.throwsAsync(before.query('select 1'));
  const after = await connect(t, url);
  t.is(await after.value('select n from kept'), 42);
});

ownTest('a setting is in force once configure() returns, by restart where it takes one', async (t) => {
  const cluster = await ownCluster(t, { settings: { work_mem: '5MB' } });
  t.is(await (await connect(t, cluster.url())).value('show work_mem'), '5MB');

  await cluster.configure({ work_mem: '7MB', lock_timeout: '9s' });
  t.is(await (await connect(t, cluster.url())).value('show work_mem'), '7MB');

  await cluster.configure({ max_connections: '33' });
  t.is(await (await connect(t, cluster.url())).value('show max_connections'), '33');
});

ownTest('archiving fails on request, and goes on at once afterwards', async (t) => {
  const cluster = await ownCluster(t);
  const client = await connect(t, cluster.url());
  const archiver = (column: string) =>
    client.value<string | null>(`select ${column}::text from pg_stat_archiver`);

  await cluster.archiving.fail();
  const segment = await client.value<string>('select pg_walfile_name(pg_switch_wal())');
  await eventually('the archiver fails', async () => Number(await archiver('failed_count')) > 0);
  t.is(await archiver('last_archived_wal'), null);

  await cluster.archiving.recover();
  await eventually(
    'the segment is archived',
    async () => ((await archiver('last_archived_wal')) ?? '') >= segment,
  );
  if (cluster.archiveDirectory) t.true(readdirSync(cluster.archiveDirectory).includes(segment));
});

ownTest('initdb takes arguments, and SQL_ASCII is one', async (t) => {
  const cluster = await ownCluster(t, { initdb: ['-E', 'SQL_ASCII', '--wal-segsize=1'] });
  const client = await connect(t, cluster.url());
  t.is(await client.value('show server_encoding'), 'SQL_ASCII');
  t.is(await client.value('show wal_segment_size'), '1MB');
});

ownTest('a removed cluster leaves nothing behind', async (t) => {
  const cluster = await ownCluster(t);
  await cluster.remove();
  t.false(existsSync(cluster.dataDirectory ?? ''));
});

ownTest('a tablespace can be in a directory made for the server', async (t) => {
  const cluster = await ownCluster(t);
  const client = await connect(t, cluster.url());
  await client.query(`create tablespace elsewhere location '${await cluster.serverDirectory('elsewhere')}'`);
  await t.notThrowsAsync(client.query('create table there (n int) tablespace elsewhere'));
});
