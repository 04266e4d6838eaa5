/** Waits until all WAL that a backup needs is archived, and records which segments are missing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { archiver } from '../server/server-queries.ts';
import { messageOf } from '../errors.ts';
import type { BackupRecord } from '../repository/label-entry.ts';
import { walIsArchived, neededWalFiles, archiveStatusUnusable } from './server-archive-status.ts';
import type { RequestRun } from './request-run.ts';

/** Milliseconds. */
const firstPoll = 10;
/** Milliseconds. */
const longestPoll = 1000;

/**
 * Resolves with true when the server says that all WAL is archived. `hasOwnWal`: the backup restores without the
 * archive; false is returned then if the archive status says nothing about this backup.
 */
export async function waitForArchive(
  run: RequestRun,
  backup: BackupRecord,
  { hasOwnWal }: { hasOwnWal: boolean },
): Promise<boolean> {
  const { server } = run.context;
  let waiting: string[] | undefined;
  for (let poll = firstPoll; ; poll = Math.min(poll * 1.5, longestPoll)) {
    run.signal.throwIfAborted();
    try {
      waiting ??= neededWalFiles(backup, await server.segmentSize());
      const { server: observed, files } = await server.archive.look(waiting);
      const otherwise = archiveStatusUnusable(observed, backup);
      if (otherwise === undefined) {
        waiting = files.filter((file) => !walIsArchived(file)).map(({ name }) => name);
        if (waiting.length === 0) return true;
        if (poll >= longestPoll) await describe(run, waiting);
      } else if (hasOwnWal) {
        return false;
      } else {
        run.warn(`whether the WAL is archived cannot be known: ${otherwise}`);
        run.describe(
          `an operator to look whether ${backup.startWal} to ${backup.stopWal} are in the archive: ${otherwise}`,
        );
      }
    } catch (error) {
      run.describe(`cannot look at the archiver: ${messageOf(error)}`);
    }
    await sleep(poll, undefined, { signal: run.signal }).catch(() => undefined);
  }
}

async function describe(run: RequestRun, waiting: string[]): Promise<void> {
  const { db } = await run.context.server.monitor();
  const report = await archiver(db);
  const files = `${waiting.length === 1 ? '' : `${waiting.length} files, first `}${waiting[0]}`;
  if (report.archiverFailing) {
    run.warn(`the archiver is failing: it could not archive ${report.lastFailedWal}`);
    run.describe(`${files} to be archived: the archiver fails since ${report.lastFailedAt?.toISOString()}`);
  } else {
    run.describe(`${files} to be archived`);
  }
}
