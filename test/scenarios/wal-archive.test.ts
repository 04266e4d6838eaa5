// archive_command = 'holdfast wal push "%p"', restore_command = 'holdfast wal fetch "%f" "%p"', on real servers.
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { TestCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { noRestore, restoredCopy, tarOf, type Copy } from '../support/restored-copy.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';
import { archivingServer, noArchivingServer, type ArchivingServer } from '../support/wal.ts';

const test = testWhen(noArchivingServer, noRestore).serial;

test('recovery to a moment between two commits, from what was pushed', async (t) => {
  const server = await archivingServer(t);
  const client = await connect(t, server.cluster.url());
  const copy = await backUp(client, server.cluster);
  await client.query('create table kept (n int)');
  await client.query('insert into kept values (1)');
  const between = await client.value<string>('select clock_timestamp()::text');
  await client.query('insert into kept values (2)');
  await archiveAll(client, server);

  const before = await restored(t, server, copy, { recovery_target_time: between });
  t.is(await before.value('select count(*)::int from kept'), 1);
  const after = await restored(t, server, copy, {});
  t.is(await after.value('select count(*)::int from kept'), 2);
});

test('recovery across two timeline switches', async (t) => {
  const server = await archivingServer(t);
  const client = await connect(t, server.cluster.url());
  const copy = await backUp(client, server.cluster);
  await client.query('create table kept (n int)');
  await archiveAll(client, server);
  const settings = { archive_command: server.pushCommand };
  for (const n of [1, 2]) {
    const next = await restored(t, server, copy, settings);
    await next.query(`insert into kept values (${n})`);
    await archiveAll(next, server);
    t.is(await next.value('select timeline_id from pg_control_checkpoint()'), n + 1);
  }
  const last = await restored(t, server, copy, {});
  t.deepEqual(await last.query('select n from kept order by n'), [{ n: 1 }, { n: 2 }]);
  t.deepEqual(
    (await readdir(join(server.repository, 'main', 'wal')))
      .filter((name) => name.endsWith('.history'))
      .sort(),
    ['00000002.history', '00000003.history'],
  );
});

test('recovery stops at a damaged segment, instead of ending there', async (t) => {
  const server = await archivingServer(t);
  const client = await connect(t, server.cluster.url());
  const copy = await backUp(client, server.cluster);
  await client.query('create table kept as select 1');
  const damaged = await client.value<string>('select pg_walfile_name(pg_current_wal_insert_lsn())');
  await archiveAll(client, server);
  const bytes = await readFile(server.archived(damaged));
  bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 4, bytes.length >> 1);
  await writeFile(server.archived(damaged), bytes);

  const error = await t.throwsAsync(restored(t, server, copy, {}));
  t.regex(error?.message ?? '', /holdfast: ".*" is damaged: a zstd frame is damaged/);
  t.regex(error?.message ?? '', /FATAL: {2}could not restore file/);
  await truncate(server.archived(damaged), 1000);
  await t.throwsAsync(restored(t, server, copy, {}), {
    message: /is damaged: it is cut off within a zstd frame/,
  });
});

for (const [size, what] of [
  [1, 'the smallest there are'],
  [64, 'large ones'],
] as const) {
  test(`segments of ${size} MB, ${what}, are archived and restored`, async (t) => {
    const server = await archivingServer(t, { initdb: [`--wal-segsize=${size}`] });
    const client = await connect(t, server.cluster.url());
    const copy = await backUp(client, server.cluster);
    await client.query('create table kept as select generate_series(1, 60000) n');
    await archiveAll(client, server);
    const after = await restored(t, server, copy, {});
    t.is(await after.value('select count(*)::int from kept'), 60_000);
  });
}

test('what the archiver gets when a push fails is kept, and archived once it succeeds', async (t) => {
  const server = await archivingServer(t);
  const client = await connect(t, server.cluster.url());
  const segment = await client.value<string>('select pg_walfile_name(pg_current_wal_insert_lsn())');
  await rm(join(server.repository, 'main'), { recursive: true });
  await writeFile(join(server.repository, 'main'), 'in the way');
  await client.query('select pg_switch_wal()');
  await eventually('the archiver fails', () => client.value('select failed_count > 0 from pg_stat_archiver'));
  t.true((await readdir(join(String(server.cluster.dataDirectory), 'pg_wal'))).includes(segment));
  await server.makeRoom();
  await archiveAll(client, server);
  t.is(await client.value('select last_archived_wal >= $1 from pg_stat_archiver', [segment]), true);
});

/** With the calls that each version has. */
async function backUp(client: SqlClient, source: TestCluster): Promise<Copy> {
  const [start, stop] =
    source.version >= 15
      ? [`pg_backup_start('base', true)`, 'pg_backup_stop(false)']
      : [`pg_start_backup('base', true, false)`, 'pg_stop_backup(false, false)'];
  await client.query(`select ${start}`);
  const tar = await tarOf(source);
  const label = await client.value<string>(`select labelfile from ${stop}`);
  return { source, tar, label };
}

/** Resolves when all that was written until now is in the archive. */
async function archiveAll(client: SqlClient, { cluster }: ArchivingServer): Promise<void> {
  const last = await client.value<string>('select pg_walfile_name(pg_current_wal_insert_lsn())');
  await client.query(`select pg_create_restore_point('archive it')`);
  await client.query('select pg_switch_wal()');
  await eventually(`${last} of ${cluster.version} is archived`, () =>
    client.value('select last_archived_wal >= $1 from pg_stat_archiver', [last]),
  ).catch(async (error: unknown) => {
    const archiver = await client.value<string>('select row_to_json(a)::text from pg_stat_archiver a');
    throw new Error(`the archiver: ${archiver}`, { cause: error });
  });
}

async function restored(
  t: ExecutionContext,
  { restoreCommand }: ArchivingServer,
  copy: Copy,
  settings: Record<string, string>,
): Promise<SqlClient> {
  const cluster = await restoredCopy(t, copy, {
    restore_command: restoreCommand,
    recovery_target_timeline: 'latest',
    archive_command: 'false',
    ...settings,
  });
  return connect(t, cluster.url());
}
