import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { HoldfastError } from '../../src/errors.ts';
import { findLabel, type LabelSources } from '../../src/labels/find-label.ts';
import { readEntry } from '../../src/repository/label-entries.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { requestIn } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const description = {
  id: 12,
  cluster: 'main',
  label: 'nightly',
  serverVersion: '18.4',
  systemIdentifier: '7000000000000000001',
  timeline: 1,
  startedAt: '2026-01-01T00:00:00.000Z',
  stoppedAt: '2026-01-01T01:00:00.000Z',
  startLsn: '0/20000028',
  startWal: '000000010000000000000002',
  stopLsn: '0/20000138',
  stopWal: '000000010000000000000002',
};

/** An entry as a worker writes it; returns its directory. */
async function addEntry(labels: string, name: string, files: Record<string, string> = {}): Promise<string> {
  const directory = join(labels, name);
  const cluster = name.split('/')[0];
  await mkdir(directory, { recursive: true });
  const all = {
    backup_label: `LABEL: of ${name}\n`,
    'backup.json': JSON.stringify({ ...description, cluster }),
    ...files,
  };
  for (const [file, content] of Object.entries(all)) await writeFile(join(directory, file), content);
  return directory;
}

const nobodyAsked = { control: undefined, cluster: undefined, latest: false };

async function refusal(t: ExecutionContext, id: number, where: LabelSources): Promise<HoldfastError> {
  const error = await t.throwsAsync(findLabel(id, where), { instanceOf: HoldfastError });
  return error;
}

/** A database with one backup that is archiving, whose label is in it as bytes. */
async function archivingBackup(t: ExecutionContext) {
  const db = await installedDatabase(t);
  const client = await connect(t, db.url);
  const worker = await playWorker(t, db);
  const id = await requestIn('archiving', client, worker, { label: 'nightly' });
  await worker.client.query(
    `update holdfast.backup_session set backup_label = '\\x4c4142454c3a20ff0a', tablespace_map = '\\x3120ff0a'
     where request_id = $1`,
    [id],
  );
  return { control: { url: db.url }, client, worker, id: Number(id) };
}

test('the control database gives the bytes, also those that are no text', async (t) => {
  const { control, id } = await archivingBackup(t);
  const labels = await temporaryDirectory(t);
  const backup = await findLabel(id, { ...nobodyAsked, control, labels });
  t.deepEqual(backup.label, Buffer.from('LABEL: \xff\n', 'latin1'));
  t.deepEqual(backup.tablespaceMap, Buffer.from('1 \xff\n', 'latin1'));
  t.is(backup.state, 'archiving');
  t.is(backup.source, 'the control database');
  t.like(backup.description, {
    id,
    cluster: 'main',
    label: 'nightly',
    timeline: 1,
    startLsn: '0/20000028',
    stopLsn: '0/20000138',
    systemIdentifier: '7000000000000000001',
  });
});

test('what the database does not know is looked for in the label directory', async (t) => {
  const { control, id } = await archivingBackup(t);
  const labels = await temporaryDirectory(t);
  const directory = await addEntry(labels, `main/20260101T000000Z-${id + 1}`, { tablespace_map: '1 /x\n' });
  const backup = await findLabel(id + 1, { ...nobodyAsked, control, labels });
  t.is(backup.source, directory);
  t.is(backup.tablespaceMap?.toString(), '1 /x\n');
  t.is(backup.state, undefined);
});

test('so is a label that has not reached the database yet', async (t) => {
  const { control, client, worker } = await archivingBackup(t);
  const id = Number(await requestIn('done', client, worker));
  const labels = await temporaryDirectory(t);
  await addEntry(labels, `main/20260101T000000Z-${id}`);
  const backup = await findLabel(id, { ...nobodyAsked, control, labels });
  t.is(backup.label.toString(), `LABEL: of main/20260101T000000Z-${id}\n`);

  const error = await refusal(t, id, { ...nobodyAsked, control, labels: await temporaryDirectory(t) });
  t.regex(
    error.message,
    /the control database has no label for it, as it is done, and ".*" has no entry for it$/,
  );
});

test('a database that cannot be reached is no obstacle', async (t) => {
  const labels = await temporaryDirectory(t);
  const directory = await addEntry(labels, 'main/20260101T000000Z-12');
  const control = { url: 'postgres://127.0.0.1:1/nowhere' };
  t.is((await findLabel(12, { ...nobodyAsked, control, labels })).source, directory);
});

test("an id in nobody's records is an error that says where it was looked for", async (t) => {
  const labels = await temporaryDirectory(t);
  const error = await refusal(t, 12, {
    ...nobodyAsked,
    control: { url: 'postgres://127.0.0.1:1/nowhere' },
    labels,
  });
  t.is(error.code, 'label_not_found');
  t.regex(error.message, /^no label of backup 12: cannot connect .*, and ".*" has no entry for it$/);
});

test('several backups with one id are listed, and told apart by cluster or by age', async (t) => {
  const labels = await temporaryDirectory(t);
  const older = await addEntry(labels, 'main/20250101T000000Z-12');
  const newer = await addEntry(labels, 'main/20260101T000000Z-12');
  const other = await addEntry(labels, 'other/20240101T000000Z-12.2');
  await addEntry(labels, 'main/20270101T000000Z-112');
  await addEntry(labels, 'main/.writing-20270101T000000Z-12');

  const error = await refusal(t, 12, { ...nobodyAsked, labels });
  t.is(error.code, 'label_ambiguous');
  for (const directory of [older, newer, other]) t.true(error.message.includes(directory));
  t.is((await findLabel(12, { ...nobodyAsked, labels, cluster: 'other' })).source, other);
  t.is((await refusal(t, 12, { ...nobodyAsked, labels, cluster: 'main' })).code, 'label_ambiguous');
  t.is((await findLabel(12, { ...nobodyAsked, labels, latest: true })).source, newer);
});

function describedAs(changes: object): Record<string, string> {
  return { 'backup.json': JSON.stringify({ ...description, ...changes }) };
}

test('an entry that is incomplete or not what it seems is refused', async (t) => {
  const labels = await temporaryDirectory(t);
  for (const [name, files, message] of [
    ['main/20250101T000000Z-1', { 'backup.json': '{' }, /backup.json" is not JSON/],
    ['main/20250101T000000Z-2', { 'backup.json': 'null' }, /backup.json" has no number "id"/],
    ['main/20250101T000000Z-3', { 'backup.json': '{"id": "3"}' }, /backup.json" has no number "id"/],
    ['main/20250101T000000Z-4', describedAs({ cluster: '../main' }), /has an impossible "cluster"/],
    ['main/20250101T000000Z-5', describedAs({ startWal: '../0' }), /has an impossible "startWal"/],
  ] as const) {
    await t.throwsAsync(readEntry(await addEntry(labels, name, files)), {
      instanceOf: HoldfastError,
      message,
    });
  }
  await t.throwsAsync(readEntry(labels), { message: /is not an entry of a label directory: ENOENT/ });
});
