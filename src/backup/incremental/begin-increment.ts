/** Method copy: decides after pg_backup_start whether the copy is incremental, and finds out what has changed. */
import { markIncremental } from '../../control/copy-rows.ts';
import { ServerError, type Connection } from '../../database/connection.ts';
import type { BackupStart } from '../../postgres/backup-facts.ts';
import { countChanges, type BlockChanges } from '../../postgres/block-changes.ts';
import { linkName, linksOf } from '../../repository/backup-chain.ts';
import type { StoredBackup } from '../../repository/catalog.ts';
import type { IncrementalOf } from '../../repository/repository-backup.ts';
import type { CopySource } from '../copy/copy-source.ts';
import type { RequestRun } from '../request-run.ts';
import { changesSince } from './changes-since.ts';
import { warnOfFullCopy } from './warn-of-full-copy.ts';

/** An incremental copy that is about to be made. */
export interface Increment {
  changes: BlockChanges;
  of: Omit<IncrementalOf, 'lengthsCrc32c'>;
  /** The bytes of files to read, as far as they are known before. */
  expectedBytes: number;
}

/** Returns undefined for a full copy, after a warning where an incremental copy was requested. */
export async function beginIncrement(
  run: RequestRun,
  db: Connection,
  { parent, control }: CopySource,
  { startLsn, timeline }: BackupStart,
): Promise<Increment | undefined> {
  if (parent === undefined) return undefined;
  const of = childOf(parent.backup);
  const range = { timeline, from: of.fromLsn, to: startLsn };
  let waits = false;
  const onWait = () => {
    waits = true;
    run.describe('the server summarizes its WAL up to the start');
  };
  const changes =
    timeline === of.fromTimeline
      ? await changesSince(db, range, onWait)
      : `the server is on timeline ${timeline}, and was on ${of.fromTimeline}`;
  if (waits) run.describe(null);
  if (typeof changes === 'string') {
    warnOfFullCopy(run, changes);
    return undefined;
  }
  const refusal = await recordIncrement(run, of);
  if (refusal !== undefined) {
    warnOfFullCopy(run, refusal);
    return undefined;
  }
  const changedBytes = countChanges(changes) * control.blockSize;
  return {
    changes,
    of,
    expectedBytes: parent.wholeBytes + changedBytes,
  };
}

/**
 * Writes to the row what the copy is made from, so that no expiry begins with that. Returns why the database refuses;
 * undefined: it does not.
 */
async function recordIncrement(
  run: RequestRun,
  { parentRequest: parent, fromLsn }: Increment['of'],
): Promise<string | undefined> {
  try {
    await run.move('running', (db) => markIncremental(db, run.id, { parent, fromLsn }), run.signal);
    return undefined;
  } catch (error) {
    if (error instanceof ServerError && error.code === refusedByGuard) return error.message;
    throw error;
  }
}

/** SQLSTATE of the guard trigger. */
const refusedByGuard = 'HF001';

function childOf(parent: StoredBackup): Increment['of'] {
  const { description } = parent;
  return {
    parent: linkName(parent),
    parentRequest: description.id,
    fromLsn: description.startLsn,
    fromTimeline: description.timeline,
    parentManifestCrc32c: description.manifestCrc32c,
    full: description.incremental?.full ?? linkName(parent),
    links: linksOf(description) + 1,
  };
}
