// A server without an encoding, with a tablespace whose path is not valid UTF-8: every byte of the label and the map
// arrives, in the label directory and in backup_session; the row holds as much as text can. A copy of it is restored.
import { chownSync, mkdirSync, readlinkSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Teardown } from '../../dev/harness/children.ts';
import { labelFiles, startBackup, untilState } from '../support/backups.ts';
import { noOwnCluster, noServerFiles, ownCluster } from '../support/cluster.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { holdfast, startWorkerProcess } from '../support/process.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { finish } from '../support/requests.ts';
import { noRestore } from '../support/restored-copy.ts';
import { shared } from '../support/shared.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noOwnCluster, noServerFiles).serial;

/** Latin-1 for "ä ö\\", and for "ä \\ö": before 14 recovery cannot read the former back. */
const endsInBackslash = Buffer.from([0xe4, 0x20, 0xf6, 0x5c]);
const hasBackslash = Buffer.from([0xe4, 0x20, 0x5c, 0xf6]);

async function asciiServer(t: Teardown, name = endsInBackslash) {
  const cluster = await ownCluster(t, { initdb: ['-E', 'SQL_ASCII', '--locale=C'] });
  const data = String(cluster.dataDirectory);
  const directory = Buffer.concat([Buffer.from(`${dirname(data)}/`), name]);
  mkdirSync(directory);
  chownSync(directory, statSync(data).uid, statSync(data).gid);
  const client = await connect(t, cluster.url());
  // In octal: the driver itself would send UTF-8.
  await client.query(`create tablespace odd location E'${octal(directory)}'`);
  const oid = await client.value<number>(`select oid from pg_tablespace where spcname = 'odd'`);
  const link = readlinkSync(join(data, 'pg_tblspc', String(oid)), { encoding: 'buffer' });
  return {
    cluster,
    directory,
    oid,
    map: Buffer.concat([Buffer.from(`${oid} `), escaped(link, cluster.version), Buffer.from('\n')]),
  };
}

/** Backups are all that is made of it. */
const sharedServer = shared(import.meta.url, (t) => asciiServer(t));

function octal(bytes: Buffer): string {
  return [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
}

/** As tablespace_map has it; before 14 a backslash was not escaped. */
function escaped(path: Buffer, version: number): Buffer {
  if (version < 14) return path;
  return Buffer.from(path.toString('latin1').replaceAll('\\', '\\\\'), 'latin1');
}

async function backupWith(t: ExecutionContext, url: string, config = '') {
  const worker = await startWorkerProcess(t, { url, config });
  const client = await connect(t, url);
  const { id } = await startBackup(client, { label: 'odd «bytes»' });
  await finish(client, id);
  // A client that wants UTF-8 may not be able to read all of the row.
  await client.query(`set client_encoding = 'SQL_ASCII'`);
  const { warnings } = await untilState(client, id, 'complete');
  const [inSession] = await client.query<Record<string, Buffer>>(
    'select backup_label, tablespace_map, tablespaces from holdfast.backup_session where request_id = $1',
    [id],
  );
  const [inRow] = await client.query<Record<string, Buffer>>(
    `select convert_to(backup_label, getdatabaseencoding()) as backup_label,
       convert_to(tablespace_map, getdatabaseencoding()) as tablespace_map
     from holdfast.backup_request where id = $1`,
    [id],
  );
  return { id, url, warnings, inSession, inRow, files: await labelFiles(worker.labels, id) };
}

type Result = Awaited<ReturnType<typeof backupWith>>;

function bytesAreWhole(t: ExecutionContext, { files, inSession, warnings }: Result, map: Buffer): void {
  t.deepEqual(files?.get('tablespace_map'), map);
  t.deepEqual(inSession?.['tablespace_map'], map);
  t.deepEqual(inSession?.['tablespaces'], map, 'what a map would be rebuilt from');
  t.regex(String(files?.get('backup_label')), /\nLABEL: odd «bytes»\n/);
  t.deepEqual(inSession?.['backup_label'], files?.get('backup_label'));
  t.regex(String(warnings), /not valid UTF-8/);
}

test('with the control database in SQL_ASCII as well, the row has the bytes, too', async (t) => {
  const { cluster, map } = await sharedServer();
  const db = await installedDatabase(t, cluster);
  const result = await backupWith(t, db.url);
  bytesAreWhole(t, result, map);
  t.deepEqual(result.inRow?.['tablespace_map'], map);
  t.deepEqual(result.inRow?.['backup_label'], result.files?.get('backup_label'));

  const reader = await connect(t, db.url);
  await t.throwsAsync(reader.query('select tablespace_map from holdfast.backup_request'), {
    message: /invalid byte sequence/,
  });
  t.deepEqual(
    await reader.query('select state, warnings from holdfast.backup_request'),
    [{ state: 'complete', warnings: result.warnings }],
    'everything else can be read in UTF-8',
  );
});

test('with the control database in UTF-8, the row has the label, and the map with octal escapes', async (t) => {
  const { cluster, map } = await sharedServer();
  const db = await installedDatabase(t);
  const result = await backupWith(t, db.url, `[cluster.main]\nurl = "${cluster.url()}"\n`);
  bytesAreWhole(t, result, map);
  t.deepEqual(result.inRow?.['backup_label'], result.files?.get('backup_label'));
  const client = await connect(t, db.url);
  const text = await client.value<string>('select tablespace_map from holdfast.backup_request');
  t.regex(text, /\\344 \\366/);
  t.deepEqual(await client.value<Buffer>(`select decode($1, 'escape')`, [text]), map);
});

testWhen(noServerFiles, noRestore).serial(
  'a copy is restored to where its tablespace was, and elsewhere',
  async (t) => {
    const { cluster, directory, oid } = await asciiServer(t, hasBackslash);
    const scene = await repositoryScene(t, { cluster });
    await scene.admin.query('create table far tablespace odd as select generate_series(1, 1000) n');
    await scene.admin.query(`set client_encoding = 'SQL_ASCII'`); // the row's map is no UTF-8
    const { directory: backup } = await scene.backup();
    const verified = await holdfast(['verify', backup, '--repository', scene.repository, '--no-record']);
    t.is(verified.status, 0, verified.stdout);

    const place = await cluster.serverDirectory('plain');
    const moved = await scene.started('--no-archiving', '--tablespace', `${oid}=${place}`);
    t.is(await moved.client.value('select sum(n)::int from far'), 500_500);
    const asWere = '--tablespaces-as-they-were';
    const taken = await scene.restore(join(dirname(place), 'taken'), asWere);
    t.is(taken.status, 1);
    t.regex(taken.stderr, /is not empty/);

    await scene.admin.query('drop table far');
    await scene.admin.query('drop tablespace odd');
    const promoted = ['--target-immediate', '--target-action', 'promote'];
    const there = await scene.started('--no-archiving', asWere, ...promoted);
    t.is(await there.client.value('select sum(n)::int from far'), 500_500);
    const link = join(there.cluster.dataDirectory, 'pg_tblspc', String(oid));
    t.deepEqual(readlinkSync(link, { encoding: 'buffer' }), directory);
  },
);
