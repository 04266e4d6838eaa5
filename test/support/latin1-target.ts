// A backup session in a database whose encoding is not that of the control database.
import type { ExecutionContext } from 'ava';
import { freshDatabase, sharedCluster } from './cluster.ts';
import { installedDatabase } from './installed-database.ts';
import { startWorkerProcess } from './process.ts';
import { connect } from './sql-client.ts';

/** The queue in UTF-8, the backup session in a database of LATIN1. */
export async function latin1Target(t: ExecutionContext) {
  const target = await freshDatabase(t, undefined, { encoding: 'LATIN1', locale: 'C' });
  const db = await installedDatabase(t);
  // Other backups remove the history file from pg_wal once it is archived.
  const { archiveDirectory } = await sharedCluster();
  const archive = archiveDirectory === undefined ? '' : `archive_directory = "${archiveDirectory}"\n`;
  const config = `[cluster.main]\nurl = "${target.url}"\n${archive}`;
  const startWorker = () => startWorkerProcess(t, { url: db.url, config });
  return { db, startWorker, worker: await startWorker(), client: await connect(t, db.url) };
}
