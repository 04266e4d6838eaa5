/**
 * Off-site sync: a configured program sends the newest backup and the WAL since its start, and runs again
 * whenever there is more WAL. The program finds the files in its working directory, where no file changes or
 * disappears as long as the backup is the same. The arguments of the program are the start of the backup and
 * the present time; the present time changes only if there are new files. The sync holds a lock in the
 * repository, which ends with the process.
 */
import { join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { beside } from '../system/held-directory.ts';
import { makeBelow } from '../system/make-below.ts';
import { withLock } from '../system/file-lock.ts';
import { makeLock } from '../repository/repository-owner.ts';
import {
  clearOthers,
  contentDirectory,
  fingerprint,
  stageFiles,
  directoryForSync,
  timestampOf,
  type SyncScope,
} from './sync-content.ts';
import type { FileMarks } from './file-marks.ts';
import { hasAnything, isSent, subjectAfter } from './find-unsent.ts';
import { runSyncProgram } from './sync-program.ts';
import {
  nextTimestamp,
  readSyncRecord,
  writeSyncRecord,
  type SyncAttempt,
  type SyncRecord,
} from './sync-record.ts';

/** The options of a sync. */
export interface SyncOptions {
  clusterDirectory: string;
  /** The program and its first arguments. */
  command: readonly string[];
  /** Milliseconds that the program may take; 0 means no limit. */
  timeout: number;
  /** Bytes of the repository's disk that are kept for WAL where the file system has no hard links. */
  walReserve: number;
  /** Milliseconds to wait for another process that is sending; undefined means no limit. */
  wait: number | undefined;
  /** Whether the program runs once even if no file is unsent. */
  force: boolean;
  signal: AbortSignal | undefined;
  /** Called after each successful run. */
  onSent: (sent: SyncAttempt) => void;
}

/** Milliseconds of one attempt to get the lock. An abort does not wait longer. */
const lockPatience = 2000;

/** Sends until no file is unsent. Returns how many times the program ran. @throws HoldfastError */
export async function syncRepository(options: SyncOptions): Promise<number> {
  const { clusterDirectory } = options;
  if (!(await hasAnything(clusterDirectory))) return 0;
  return alone(options, async () => {
    for (let runs = 0, force = options.force; ; runs += 1, force = false) {
      const record = await readSyncRecord(clusterDirectory);
      const subject = await subjectAfter(clusterDirectory, record);
      if (!force && (await isSent(clusterDirectory, record, subject))) return runs;
      await send(options, record, subject);
    }
  });
}

async function send(options: SyncOptions, record: SyncRecord, subject: SyncScope): Promise<void> {
  const { clusterDirectory, command, timeout, walReserve, signal, onSent } = options;
  const files = await stageFiles(clusterDirectory, subject, walReserve);
  const attempt = attemptAt(record, subject, files);
  await writeSyncRecord(clusterDirectory, { ...record, attempt });
  await runSyncProgram({
    command,
    args: [timestampOf(subject), attempt.present],
    directory: contentDirectory(clusterDirectory, subject),
    place: directoryForSync(clusterDirectory),
    timeout,
    signal,
  });
  const { attempts: _, ...sent } = attempt;
  await writeSyncRecord(clusterDirectory, { version: 1, sent: { ...sent, at: new Date().toISOString() } });
  await clearOthers(clusterDirectory, subject);
  onSent(sent);
}

/** The next run. If no file is new since the last run, the run has the same timestamp again. */
function attemptAt(
  record: SyncRecord,
  { backup }: SyncScope,
  files: FileMarks,
): SyncAttempt & { attempts: number } {
  const now = { backup, fingerprint: fingerprint(files), files: files.size };
  const { sent, attempt } = record;
  const before = [attempt, sent].find((one) => one?.backup === backup && one.fingerprint === now.fingerprint);
  const attempts = before === attempt && attempt !== undefined ? attempt.attempts + 1 : 1;
  return { ...now, present: before?.present ?? nextTimestamp(record), attempts };
}

/**
 * Runs `work` under the lock of the sync.
 * @throws HoldfastError `locked` where another process has the lock for longer than `wait`
 */
async function alone<T>({ clusterDirectory, wait, signal }: SyncOptions, work: () => Promise<T>): Promise<T> {
  const directory = directoryForSync(clusterDirectory);
  const file = join(directory, 'lock');
  await makeBelow(clusterDirectory, directory);
  await beside(file, makeLock);
  const deadline = wait === undefined ? Infinity : performance.now() + wait;
  for (let begun = false; ;) {
    signal?.throwIfAborted();
    const left = Math.max(0, deadline - performance.now());
    try {
      return await withLock(file, { shared: false, wait: Math.min(left, lockPatience) }, () => {
        begun = true;
        return work();
      });
    } catch (error) {
      const isLocked = error instanceof HoldfastError && error.code === 'locked';
      if (begun || !isLocked || performance.now() >= deadline) throw error;
    }
  }
}
