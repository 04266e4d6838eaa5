// A backup of a server of its own, whose archiver is made to fail.
import type { ExecutionContext } from 'ava';
import { startBackup, untilState } from './backups.ts';
import { ownCluster } from './cluster.ts';
import { installedDatabase } from './installed-database.ts';
import { startWorkerProcess } from './process.ts';
import { finish } from './requests.ts';
import { connect } from './sql-client.ts';

/** A server, its worker and a client. */
export async function workerOfItsOwn(t: ExecutionContext) {
  const cluster = await ownCluster(t, { installed: true });
  const db = await installedDatabase(t, cluster);
  const worker = await startWorkerProcess(t, { url: db.url });
  return { cluster, db, worker, client: await connect(t, db.url) };
}

/** A backup whose archiver began to fail while it ran. */
export async function archivingBackup(t: ExecutionContext) {
  const { cluster, client, ...rest } = await workerOfItsOwn(t);
  const { id } = await startBackup(client);
  await cluster.archiving.fail();
  await finish(client, id);
  await untilState(client, id, 'archiving');
  return { ...rest, cluster, client, id };
}
