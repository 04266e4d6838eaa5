// A file system that does not answer holds up nobody who does not need it.
import { labelFiles, startBackup, untilState } from '../support/backups.ts';
import { eventually } from '../support/eventually.ts';
import { frozenDisk, noFrozenDisk } from '../support/frozen-disk.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { finish } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const within = 30_000;

testWhen(noFrozenDisk).serial(
  'a label directory that does not answer is a warning: the row has the label, and the directory gets it later',
  async (t) => {
    const disk = await frozenDisk(t);
    const db = await installedDatabase(t);
    await startWorkerProcess(t, { url: db.url, env: { HOLDFAST_LABELS: disk.directory } });
    const client = await connect(t, db.url);
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
