// An archive with a damaged segment, with other segments than those of 16 MB, and one that takes nothing for a while.
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { archiveAll, backUp, restored } from '../support/archived-recovery.ts';
import { eventually } from '../support/eventually.ts';
import { noRestore } from '../support/restored-copy.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';
import { archivingServer, noArchivingServer } from '../support/wal.ts';

const test = testWhen(noArchivingServer, noRestore).serial;

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

// The smallest and the largest are in wal-segment-sizes.
test('segments of 64 MB are archived and restored', async (t) => {
  const server = await archivingServer(t, { initdb: ['--wal-segsize=64'] });
  const client = await connect(t, server.cluster.url());
  const copy = await backUp(client, server.cluster);
  await client.query('create table kept as select generate_series(1, 60000) n');
  await archiveAll(client, server);
  const after = await restored(t, server, copy, {});
  t.is(await after.value('select count(*)::int from kept'), 60_000);
});

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
