// A backup whose stop ends exactly with a WAL segment: the next segment has nothing of it, and is not finished.
import { readdir } from 'node:fs/promises';
import { recoverBackupStop } from '../../src/backup/recover-label.ts';
import { isSameLsn } from '../../src/postgres/lsn.ts';
import { ClusterServer } from '../../src/server/cluster-server.ts';
import { createLog } from '../../src/log.ts';
import { noServerFiles } from '../support/cluster.ts';
import { boundaryScene, segmentSize, stoppedOnBoundary } from '../support/stop-boundary.ts';
import { testWhen } from '../support/test-when.ts';
import { segmentWithEnd } from '../support/wal-position.ts';

testWhen(noServerFiles)(
  'hold completes at the end of a segment, and the segment before the boundary is its last',
  async (t) => {
    const { client, server, there } = await boundaryScene(t);
    const row = await stoppedOnBoundary(client, there, {});
    t.is(row.stop_wal, segmentWithEnd(row.stop_lsn, segmentSize));
    const archived = await readdir(String(server.archiveDirectory));
    t.true(archived.includes(row.stop_wal));
    t.is(
      archived
        .filter((name) => /^[0-9A-F]{24}$/.test(name))
        .sort()
        .at(-1),
      row.stop_wal,
    );

    const target = new ClusterServer({
      name: 'main',
      connect: { url: server.url(), schema: 'holdfast' },
      dataDirectory: undefined,
      archiveDirectory: server.archiveDirectory,
      onMonitor: () => undefined,
      log: createLog({ level: 'error' }),
    });
    t.teardown(() => target.close());
    const { label, start_lsn: startLsn, start_wal: startWal } = row;
    const recovered = await recoverBackupStop(target, label, {
      startLsn: String(startLsn),
      startWal: String(startWal),
      tablespaces: null,
    });
    t.true(isSameLsn(String(recovered?.stopLsn), row.stop_lsn));
    t.is(recovered?.stopWal, row.stop_wal, 'the history file of 15 and newer names the next one');
  },
);
