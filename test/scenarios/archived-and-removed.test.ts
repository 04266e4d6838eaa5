// What the archiver and a checkpoint leave of a segment.
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { archivingBackup } from '../support/archiving-backup.ts';
import { untilState } from '../support/backups.ts';
import { noOwnCluster, noServerFiles } from '../support/cluster.ts';
import { testWhen } from '../support/test-when.ts';

testWhen(noOwnCluster, noServerFiles)(
  'a checkpoint that removes what was archived does not keep the backup waiting',
  async (t) => {
    const { cluster, client, id } = await archivingBackup(t);
    // What the archiver and a checkpoint leave of a segment: neither its status nor, in the end, the segment.
    const wal = join(String(cluster.dataDirectory), 'pg_wal');
    const { start_wal: segment } = (
      await client.query<{ start_wal: string }>(
        'select start_wal from holdfast.backup_request where id = $1',
        [id],
      )
    )[0] ?? { start_wal: '' };
    t.true((await readdir(join(wal, 'archive_status'))).includes(`${segment}.ready`));
    for (const name of await readdir(join(wal, 'archive_status'))) {
      if (!name.startsWith(segment)) continue;
      await rm(join(wal, name.replace('.ready', '')), { force: true });
      await rm(join(wal, 'archive_status', name));
    }
    await untilState(client, id, 'complete', { within: 5000 });
  },
);
