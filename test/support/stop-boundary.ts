// Backups whose stop ends exactly with a WAL segment. The control database is on another server, as its writes would
// move the end.
import type { ExecutionContext } from 'ava';
import { startBackup, untilState, type Backup } from './backups.ts';
import { ownCluster } from './cluster.ts';
import { installedDatabase } from './installed-database.ts';
import { startWorkerProcess } from './process.ts';
import { finish } from './requests.ts';
import { connect, type SqlClient } from './sql-client.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { fillBeforeStop, isBoundary } from './wal-position.ts';

export const segmentSize = 1 << 20;
/** What the server writes by itself may come in between. */
const mostTries = 10;

interface Stopped extends Backup {
  stop_lsn: string;
  stop_wal: string;
}

export async function boundaryScene(t: ExecutionContext) {
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
export async function stoppedOnBoundary(
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
