/** Method copy: what is found out before the checkpoint of the backup is paid for. */
import { join } from 'node:path';
import { keepWal } from '../../server/server-queries.ts';
import type { StoredBackup } from '../../repository/catalog.ts';
import type { BackupSession } from '../backup-session.ts';
import { CopyEngine } from '../copy/copy-engine.ts';
import { findSource, type CopySource } from '../copy/copy-source.ts';
import { requireFreeSpace } from '../copy/free-space.ts';
import type { ParentLists } from '../copy/parent-lengths.ts';
import type { HeldSession } from '../held-session.ts';
import { findParent } from '../incremental/find-parent.ts';
import { warnOfFullCopy } from '../incremental/warn-of-full-copy.ts';
import type { RequestRun } from '../request-run.ts';

/**
 * Checks everything that could make the copy fail, and has the server keep WAL for the copy if the role may do so. An
 * `incremental` copy gets its parent, or a warning that says why there is none. `held` gets the threads of the copy and the
 * lock on the parent.
 */
export async function prepareCopy(
  run: RequestRun,
  session: BackupSession,
  { incremental, held }: { incremental: boolean; held: HeldSession },
): Promise<CopySource> {
  const engine = new CopyEngine(); // its thread starts while the directories are checked
  held.keep(() => engine.stop());
  const found = await findSource(run.context, session.db);
  const { clusterDirectory, dataDirectory } = found;
  const chosen = incremental ? await findParent(run, session.db, found) : undefined;
  const backup = typeof chosen === 'object' ? chosen.backup : undefined;
  if (typeof chosen === 'object') held.keep(chosen.release);
  const major = Math.floor(session.db.serverVersion / 10_000);
  const lists = backup && listsOf(backup);
  const [{ bytes, parent: read }, isKept] = await Promise.all([
    engine.survey({ dataDirectory, major, parent: lists }),
    keepWal(session.db, `holdfast_${run.id}_${session.identity.pid}`),
  ]);
  for (const reason of [chosen, read]) if (typeof reason === 'string') warnOfFullCopy(run, reason);
  const parent = backup && typeof read === 'object' ? { backup, ...read } : undefined;
  await requireFreeSpace(clusterDirectory, parent?.wholeBytes ?? bytes, run.context.walReserve);
  if (!isKept) run.context.log.debug('the server does not keep WAL for the copy', { request: run.id });
  return { ...found, engine, bytes, parent };
}

function listsOf({ description, directory, meta }: StoredBackup): ParentLists {
  const { manifestCrc32c, incremental, blockSize } = description;
  return {
    manifest: { path: join(directory, 'backup_manifest'), crc32c: manifestCrc32c },
    lengths: incremental && { path: join(meta, 'lengths.jsonl'), crc32c: incremental.lengthsCrc32c },
    blockSize,
  };
}
