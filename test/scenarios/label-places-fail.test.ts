// The label is kept in two places, and either one is enough; while neither works it is held in memory.
import type { ExecutionContext } from 'ava';
import { completeBackup, labelFiles, startBackup, untilState } from '../support/backups.ts';
import { noOwnCluster, ownCluster, sharedCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { labelDisk } from '../support/label-disk.ts';
import { finish, request } from '../support/requests.ts';
import { noSmallDisk, smallDisk } from '../support/small-disk.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noSmallDisk);

for (const [what, spoil] of [
  ['full', 'fill'],
  ['read-only', 'makeReadOnly'],
] as const) {
  test(`a label directory that is ${what} when the label comes is a warning: the row has it`, async (t) => {
    const { disk, client } = await labelDisk(t);
    const { id } = await startBackup(client, { label: what });
    await disk[spoil]();
    const { backup_label, warnings } = await completeBackup(client, id);
    t.regex(String(backup_label), new RegExp(`LABEL: ${what}\n`));
    t.regex(String(warnings), /the label directory could not be written/);
    t.is(await labelFiles(disk.directory, id), undefined);
  });
}

test('a label directory that has room again is used by the next backup', async (t) => {
  const { disk, client } = await labelDisk(t);
  await disk.fill();
  await untilState(client, await request(client), 'failed');
  await disk.empty();
  const { id } = await startBackup(client);
  const { backup_label } = await completeBackup(client, id);
  t.is((await labelFiles(disk.directory, id))?.get('backup_label')?.toString(), backup_label ?? '');
});

/** The row cannot be written either: its server is another one, and down. */
async function bothFailing(t: ExecutionContext) {
  const disk = await smallDisk(t);
  const control = await ownCluster(t, { installed: true });
  const db = await installedDatabase(t, control);
  const config = `[cluster.main]\nurl = "${(await sharedCluster()).url()}"\n`;
  const worker = await startWorkerProcess(t, {
    url: db.url,
    config,
    env: { HOLDFAST_LABELS: disk.directory },
  });
  const client = await connect(t, db.url);
  const { id } = await startBackup(client);
  const lock = await connect(t, db.url);
  await lock.query('begin; lock table holdfast.backup_session in share mode');
  await disk.fill();
  await finish(client, id);
  await eventually('the label cannot be written', () =>
    /cannot be written, trying again/.test(worker.output()),
  );
  await control.stop('immediate');
  return { disk, control, worker, id, client: () => connect(t, db.url) };
}

testWhen(noSmallDisk, noOwnCluster)(
  'with both places failing the label is held, and kept where it can be first: the directory',
  async (t) => {
    const { disk, control, id, client } = await bothFailing(t);
    await disk.empty();
    const kept = await eventually('the label in its directory', () => labelFiles(disk.directory, id));
    await control.start();
    const complete = await untilState(await client(), id, 'complete', { within: 5000 });
    t.deepEqual(Buffer.from(String(complete.backup_label)), kept.get('backup_label'));
    t.deepEqual(complete.warnings, []);
  },
);

testWhen(noSmallDisk, noOwnCluster)(
  'with both places failing the label is held, and kept where it can be first: the row',
  async (t) => {
    const { disk, control, id, client } = await bothFailing(t);
    await control.start();
    const complete = await untilState(await client(), id, 'complete', { within: 5000 });
    t.regex(String(complete.backup_label), /^START WAL LOCATION: /);
    t.regex(String(complete.warnings), /the label directory could not be written/);
    t.is(await labelFiles(disk.directory, id), undefined);
  },
);
