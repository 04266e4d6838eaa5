// A file system that does not answer holds up nobody who does not need it.
import type { ExecutionContext } from 'ava';
import { backup, labelFiles, startBackup, untilState } from '../support/backups.ts';
import { eventually } from '../support/eventually.ts';
import { frozenDisk, noFrozenDisk } from '../support/frozen-disk.ts';
import { hang, noHungDirectory } from '../support/hung-directory.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { makeRepository } from '../support/repository.ts';
import { cancel, finish, request } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const within = 30_000;

/** A worker whose label directory can be frozen. */
async function labelsOnDisk(t: ExecutionContext) {
  const disk = await frozenDisk(t);
  const db = await installedDatabase(t);
  await startWorkerProcess(t, { url: db.url, env: { HOLDFAST_LABELS: disk.directory } });
  return { disk, client: await connect(t, db.url) };
}

testWhen(noFrozenDisk).serial(
  'a label directory that does not answer is a warning: the row has the label, and the directory gets it later',
  async (t) => {
    const { disk, client } = await labelsOnDisk(t);
    const { id } = await startBackup(client);
    await disk.whileFrozen(async () => {
      await finish(client, id);
      const { backup_label, warnings } = await untilState(client, id, 'complete', { within });
      t.truthy(backup_label);
      t.regex(
        String(warnings),
        /the label directory could not be written: it has not answered for 5 seconds/,
      );
    });
    await eventually('the label is there', async () => (await labelFiles(disk.directory, id)) !== undefined);
  },
);

testWhen(noFrozenDisk).serial(
  'a backup does not begin where the label directory does not answer: the request fails, and names it',
  async (t) => {
    const { disk, client } = await labelsOnDisk(t);
    await disk.whileFrozen(async () => {
      const ids = [await request(client), await request(client)];
      for (const id of ids) {
        const { error_code, error } = await untilState(client, id, 'failed', { within });
        t.is(error_code, 'label_directory_unwritable');
        t.regex(String(error), /its file system has not answered for 10 seconds/);
      }
    });
    await startBackup(client);
  },
);

testWhen(noHungDirectory).serial(
  'a repository that does not answer fails copies by name, and holds up neither other backups nor the end of the worker',
  async (t) => {
    const repository = await temporaryDirectory(t);
    await makeRepository(repository);
    const db = await installedDatabase(t);
    const worker = await startWorkerProcess(t, { url: db.url, env: { HOLDFAST_REPOSITORY: repository } });
    const client = await connect(t, db.url);
    const end = await hang(t, repository);
    // More than the worker has threads.
    for (let copies = 0; copies < 9; copies += 1) {
      const id = await request(client, { method: 'copy', fast: true });
      await eventually('it is taken', async () => (await backup(client, id)).state !== 'requested');
      await cancel(client, id);
    }
    const { error_code, error } = await untilState(
      client,
      await request(client, { method: 'copy', fast: true }),
      'failed',
      { within },
    );
    t.is(error_code, 'repository_unreadable');
    t.regex(String(error), /its file system has not answered for 10 seconds/);

    const { id } = await startBackup(client);
    await finish(client, id);
    await untilState(client, id, 'complete', { within });
    await eventually(
      'the row says so',
      () =>
        client.value(
          `select repository_problem like '%has not answered%' from holdfast.cluster where name = 'main'`,
        ),
      { within: 90_000 },
    );
    worker.kill('SIGTERM');
    await worker.untilLine(/stopped, though a file system that it waits for has not answered/);
    await end();
    t.is((await worker.exited).signal, 'SIGTERM');
  },
);
