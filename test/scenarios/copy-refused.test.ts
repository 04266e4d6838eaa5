// What cannot become a backup is refused before the checkpoint, with what to change.
import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createCluster } from '../../dev/embedded/cluster.ts';
import { crc32c } from '../../src/postgres/crc32c.ts';
import { copyScene, extracted, noCopies, started } from '../support/copies.ts';
import { sharedCluster } from '../support/cluster.ts';
import { scene } from '../support/scene.ts';
import { request } from '../support/requests.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noCopies).serial;

test('method command is still refused', async (t) => {
  const { client, startWorker, untilState } = await scene(t);
  await startWorker();
  const row = await untilState(await request(client, { method: 'command', command: 'x' }), 'failed');
  t.is(row.error_code, 'method_not_available');
});

test('a data directory that cannot be read here is refused', async (t) => {
  const { startCopier, requestCopy, untilState } = await copyScene(t, { cluster: await sharedCluster() });
  await startCopier({ HOLDFAST_CLUSTER_MAIN_DATA_DIRECTORY: '/proc/1/nothing' });
  const row = await untilState(await requestCopy(), 'failed');
  t.is(row.error_code, 'data_directory_unreadable');
  t.regex(String(row.hint), /on the host of the server/);
  t.is(row.start_lsn, null);
});

test("another server's data directory is refused", async (t) => {
  const { startCopier, requestCopy, untilState } = await copyScene(t, { cluster: await sharedCluster() });
  const other = await createCluster();
  t.teardown(() => other.remove());
  await startCopier({ HOLDFAST_CLUSTER_MAIN_DATA_DIRECTORY: other.dataDirectory });
  const row = await untilState(await requestCopy(), 'failed');
  t.is(row.error_code, 'other_data_directory');
  t.regex(String(row.error), /belongs to the system \d+, and the server to \d+$/);
});

test('a copy of the data directory with the same system identifier is refused, too', async (t) => {
  const cluster = await sharedCluster();
  const { startCopier, requestCopy, untilState, admin } = await copyScene(t, { cluster });
  await admin.query('checkpoint');
  const data = String(cluster.dataDirectory);
  const copy = join(dirname(data), 'copied');
  for (const name of ['global', 'base', 'pg_wal']) await mkdir(join(copy, name), { recursive: true });
  await cp(join(data, 'global/pg_control'), join(copy, 'global/pg_control'));
  await startCopier({ HOLDFAST_CLUSTER_MAIN_DATA_DIRECTORY: copy });
  const row = await untilState(await requestCopy(), 'failed');
  t.is(row.error_code, 'other_data_directory');
  t.regex(String(row.error), /knows of no checkpoint since|was written last at another time/);
});

test('nor is one that went on by itself copied, such as that of a primary whose address has led to another server since it was killed', async (t) => {
  const cluster = await sharedCluster();
  const { startCopier, requestCopy, untilState } = await copyScene(t, { cluster });
  const data = String(cluster.dataDirectory);
  const killed = join(dirname(data), 'killed');
  for (const name of ['global', 'base', 'pg_wal']) await mkdir(join(killed, name), { recursive: true });
  const control = await readFile(join(data, 'global/pg_control'));
  const crcAt =
    [288, 292, 308].find((at) => crc32c(control.subarray(0, at)) === control.readUInt32LE(at)) ?? 0;
  control.writeBigInt64LE(control.readBigInt64LE(24) - 60n, 24); // its time
  control.writeBigUInt64LE(1n << 50n, 40); // where replay begins
  control.writeUInt32LE(crc32c(control.subarray(0, crcAt)), crcAt);
  await writeFile(join(killed, 'global/pg_control'), control);
  await startCopier({ HOLDFAST_CLUSTER_MAIN_DATA_DIRECTORY: killed });
  const row = await untilState(await requestCopy(), 'failed');
  t.is(row.error_code, 'other_data_directory');
  t.is(row.start_lsn, null);
});

test("a repository with another system's backups is refused", async (t) => {
  const { startCopier, requestCopy, untilState, repository } = await copyScene(t, {
    cluster: await sharedCluster(),
  });
  await mkdir(join(repository, 'main'));
  const identity = { version: 1, systemIdentifier: '7000000000000000001', walSegmentSize: 16_777_216 };
  await writeFile(join(repository, 'main', 'cluster.json'), JSON.stringify(identity));
  await startCopier();
  const row = await untilState(await requestCopy(), 'failed');
  t.is(row.error_code, 'other_system');
});

test("a repository with the cluster's WAL in segments of another size is refused", async (t) => {
  const { admin, startCopier, requestCopy, untilState, repository } = await copyScene(t, {
    cluster: await sharedCluster(),
  });
  const systemIdentifier = await admin.value<string>(
    'select system_identifier::text from pg_control_system()',
  );
  await mkdir(join(repository, 'main'));
  const identity = { version: 1, systemIdentifier, walSegmentSize: 1_048_576 };
  await writeFile(join(repository, 'main', 'cluster.json'), JSON.stringify(identity));
  await startCopier();
  const row = await untilState(await requestCopy(), 'failed');
  t.is(row.error_code, 'other_segment_size');
});

test('a repository that cannot be written is refused', async (t) => {
  const { startCopier, requestCopy, untilState, repository } = await copyScene(t, {
    cluster: await sharedCluster(),
  });
  await writeFile(join(repository, 'main'), '');
  await chmod(repository, 0o700);
  await startCopier();
  const row = await untilState(await requestCopy(), 'failed');
  t.is(row.error_code, 'repository_unreadable');
});

test('with archive_mode off, the WAL is collected, and warnings say what that means and which configuration is elsewhere', async (t) => {
  const { admin, cluster, copy, db, startCopier } = await copyScene(t, {
    settings: { archive_mode: 'off', ident_file: '/dev/null' },
  });
  await admin.query('create table kept as select generate_series(1, 1000) n');
  await startCopier();
  const backup = await copy();
  t.deepEqual(backup.row.warnings, [
    '"/dev/null" lies outside of the data directory: back it up, too',
    'archive_mode is off: the backup holds the WAL to restore it as of its end, and to no later time',
  ]);
  const client = await started(t, await extracted(t, backup, cluster.version), db.name);
  t.is(await client.value('select count(*)::int from kept'), 1000);
});
