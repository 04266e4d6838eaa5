// A backup whose stop ends exactly with a WAL segment: the next segment has nothing of it, and is not finished. The
// control database is on another server, as its writes would move the end.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { recoverBackupStop } from '../../src/backup/recover-label.ts';
import { isSameLsn } from '../../src/postgres/lsn.ts';
import { ClusterServer } from '../../src/server/cluster-server.ts';
import { createLog } from '../../src/log.ts';
import { startBackup, untilState, type Backup } from '../support/backups.ts';
import { noServerFiles, ownCluster } from '../support/cluster.ts';
import { extracted, noCopies, started, storedCopy } from '../support/copies.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { finish } from '../support/requests.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';
import { fillBeforeStop, isBoundary, segmentWithEnd } from '../support/wal-position.ts';

const segmentSize = 1 << 20;
/** What the server writes by itself may come in between. */
const mostTries = 10;

interface Stopped extends Backup {
  stop_lsn: string;
  stop_wal: string;
}

async function boundaryScene(t: ExecutionContext) {
  const server = await ownCluster(t, { initdb: ['--wal-segsize=1'] });
  const db = await installedDatabase(t);
  const repository = await temporaryDirectory(t);
  await startWorkerProcess(t, {
    url: db.url,
    env: { HOLDFAST_REPOSITORY: repository },
    config: `[cluster.main]\nurl = "${server.url()}"\n`,
  });
  const there = await connect(t, server.url());
  return { server, repository, client: await connect(t, db.url), there };
}

/** Backups until one has stopped exactly with a segment. */
async function stoppedOnBoundary(
  client: SqlClient,
  there: SqlClient,
  columns: Record<string, unknown>,
): Promise<Stopped> {
  for (let tries = 0; tries < mostTries; tries += 1) {
    const { id } = await startBackup(client, columns);
    await fillBeforeStop(there, segmentSize);
    if (columns['method'] !== 'copy') await finish(client, id);
    const row = (await untilState(client, id, 'complete', { within: 60_000 })) as Stopped;
    if (isBoundary(row.stop_lsn, segmentSize)) return row;
  }
  throw new Error(`none of ${mostTries} backups stopped with a segment`);
}

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

testWhen(noCopies)('copy takes no segment behind the end of the last one, and is restored', async (t) => {
  const { client, repository, server, there } = await boundaryScene(t);
  await there.query('create table kept as select generate_series(1, 1000) n');
  const row = await stoppedOnBoundary(client, there, { method: 'copy', rate_limit: 12_000_000 });
  t.is(row.stop_wal, segmentWithEnd(row.stop_lsn, segmentSize));
  const backup = await storedCopy(repository, row);
  const wal = (await readdir(join(backup.directory, 'pg_wal'))).sort();
  t.is(wal.at(-1), `${row.stop_wal}.zst`);
  const restored = await started(t, await extracted(t, backup, server.version), 'postgres');
  t.is(await restored.value('select count(*)::int from kept'), 1000);
});
