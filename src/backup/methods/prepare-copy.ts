/**
 * Method copy: what is found out before the copy begins, and before the checkpoint of the backup is paid for. Only the files
 * of an incremental copy are looked at while the server is at that checkpoint, as that takes as long as all its other work.
 */
import { join } from 'node:path';
import type { Connection } from '../../database/connection.ts';
import { keepWal } from '../../server/server-queries.ts';
import type { StoredBackup } from '../../repository/catalog.ts';
import type { Claim } from '../claim-request.ts';
import { CopyEngine } from '../copy/copy-engine.ts';
import { findSource, takeRepository, type CopySource, type FoundSource } from '../copy/copy-source.ts';
import { lastRatio, requireFreeSpace } from '../copy/free-space.ts';
import type { ParentLists } from '../copy/parent-lengths.ts';
import type { HeldSession } from '../held-session.ts';
import { findParent } from '../incremental/find-parent.ts';
import { warnOfFullCopy } from '../incremental/warn-of-full-copy.ts';
import type { RequestRun } from '../request-run.ts';

/** A copy that may begin once its files have been looked at. */
export interface PreparedCopy {
  /** Rejects where a file cannot be read, or where the repository has no room for the copy. */
  surveyed: Promise<CopySource>;
}

/**
 * Checks the directories of a copy, and has the server keep WAL for the copy if the role may do so; begins to look at the
 * files. An incremental copy gets its parent, or a warning that says why there is none. `held` gets the threads of the
 * copy and the lock on the parent.
 */
export async function prepareCopy(
  run: RequestRun,
  { request, session }: Pick<Claim, 'request' | 'session'>,
  held: HeldSession,
): Promise<PreparedCopy> {
  const level = request.compressLevel ?? run.context.compressLevel;
  const engine = new CopyEngine({ jobs: run.context.copyJobs, level }); // starts while the directories are checked
  held.keep(() => engine.stop());
  const found = await findSource(run.context, session.db);
  const { clusterDirectory, dataDirectory } = found;
  const [chosen, isKept] = await Promise.all([
    request.incremental ? heldParent(run, session.db, found, held) : undefined,
    keepWal(session.db, `holdfast_${run.id}_${session.identity.pid}`),
    takeRepository(run.context, found),
  ]);
  const backup = typeof chosen === 'object' ? chosen : undefined;
  const major = Math.floor(session.db.serverVersion / 10_000);
  const lists = backup && listsOf(backup);
  const survey = async (): Promise<CopySource> => {
    const [{ bytes, parent: read }, ratio] = await Promise.all([
      engine.survey({ dataDirectory, major, parent: lists }),
      lastRatio(clusterDirectory),
    ]);
    for (const reason of [chosen, read]) if (typeof reason === 'string') warnOfFullCopy(run, reason);
    const parent = backup && typeof read === 'object' ? { backup, ...read } : undefined;
    const expected = { bytes: parent?.wholeBytes ?? bytes, ratio };
    await requireFreeSpace(clusterDirectory, expected, run.context.walReserve);
    return { ...found, engine, level, bytes, ratio, parent };
  };
  const surveyed = survey();
  surveyed.catch(() => undefined); // whoever begins the copy gets the error
  if (!isKept) run.context.log.debug('the server does not keep WAL for the copy', { request: run.id });
  if (backup === undefined) await surveyed;
  return { surveyed };
}

/** Returns the parent, whose lock `held` gets; a string: why there is none. */
async function heldParent(
  run: RequestRun,
  db: Connection,
  found: FoundSource,
  held: HeldSession,
): Promise<StoredBackup | string> {
  const chosen = await findParent(run, db, found);
  if (typeof chosen === 'string') return chosen;
  held.keep(chosen.release);
  return chosen.backup;
}

function listsOf({ description, directory, meta }: StoredBackup): ParentLists {
  const { manifestCrc32c, incremental, blockSize } = description;
  return {
    manifest: { path: join(directory, 'backup_manifest'), crc32c: manifestCrc32c },
    lengths: incremental && { path: join(meta, 'lengths.jsonl'), crc32c: incremental.lengthsCrc32c },
    blockSize,
  };
}
