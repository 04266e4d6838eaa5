/** Method copy: what is found out before the checkpoint of the backup is paid for. */
import { keepWal } from '../../server/server-queries.ts';
import type { BackupSession } from '../backup-session.ts';
import { findSource, type CopySource } from '../copy/copy-source.ts';
import { requireFreeSpace } from '../copy/free-space.ts';
import { survey } from '../copy/survey.ts';
import type { RequestRun } from '../request-run.ts';

/**
 * Checks everything that could make the copy fail, and has the server keep WAL for the copy if the role may do so.
 */
export async function prepareCopy(run: RequestRun, session: BackupSession): Promise<CopySource> {
  const found = await findSource(run.context, session.db);
  const { clusterDirectory, dataDirectory } = found;
  const major = Math.floor(session.db.serverVersion / 10_000);
  const bytes = await survey({ dataDirectory, major }, run.signal);
  await requireFreeSpace(clusterDirectory, bytes, run.context.walReserve);
  if (!(await keepWal(session.db, `holdfast_${run.id}_${session.identity.pid}`)))
    run.context.log.debug('the server does not keep WAL for the copy', { request: run.id });
  return { ...found, bytes };
}
