/**
 * Off-site sync: a configured program sends the newest backup and the WAL since, again whenever there is more of it.
 * It finds its files in its working directory, where none ever changes or disappears while the backup is the same,
 * and gets two arguments: when the backup began, and the present time, which is another one only where there is
 * something new to send. All of it is done under a lock in the repository, which ends with whoever has it.
 */
import { join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { beside, makeDurableDirectory } from '../system/held-directory.ts';
import { withLock } from '../system/file-lock.ts';
import { makeLock } from '../repository/repository-owner.ts';
import {
  clearOthers,
  contentDirectory,
  fingerprint,
  stagedFiles,
  stagedScope,
  stageFiles,
  newestScope,
  directoryForSync,
  timestampOf,
  walOf,
  filesToSync,
  type SyncScope,
} from './sync-content.ts';
import { runSyncProgram } from './sync-program.ts';
import {
  nextTimestamp,
  readSyncRecord,
  writeSyncRecord,
  type SyncAttempt,
  type SyncRecord,
} from './sync-record.ts';

export interface SyncOptions {
  clusterDirectory: string;
  command: readonly string[];
  /** Milliseconds that the program may take; 0: no limit. */
  timeout: number;
  /** Milliseconds to wait for whoever else is sending; undefined: as long as it takes. */
  wait: number | undefined;
  /** Once, though nothing is unsent. */
  force: boolean;
  signal: AbortSignal | undefined;
  onSent: (sent: SyncAttempt) => void;
}

/** Milliseconds for one try at the lock, so that an abort does not wait for it. */
const lockPatience = 2000;

/** Sends until nothing is unsent; returns how often that took the program. @throws HoldfastError */
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

/** Takes no lock. undefined: there is nothing to send. `since`: when the latest that was sent was through, as the record has it. */
export async function findUnsent(
  clusterDirectory: string,
): Promise<{ since: string | undefined } | undefined> {
  if (!(await hasAnything(clusterDirectory))) return undefined;
  const record = await readSyncRecord(clusterDirectory);
  const all = await isSent(clusterDirectory, record, await subjectAfter(clusterDirectory, record));
  return all ? undefined : { since: record.sent?.at };
}

async function send(options: SyncOptions, record: SyncRecord, subject: SyncScope): Promise<void> {
  const { clusterDirectory, command, timeout, signal, onSent } = options;
  const files = await stageFiles(clusterDirectory, subject);
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

/** The same again where nothing new has come since the last attempt. */
function attemptAt(
  record: SyncRecord,
  { backup }: SyncScope,
  files: readonly string[],
): SyncAttempt & { attempts: number } {
  const now = { backup, fingerprint: fingerprint(files), files: files.length };
  const { sent, attempt } = record;
  const before = [attempt, sent].find((one) => one?.backup === backup && one.fingerprint === now.fingerprint);
  const attempts = before === attempt && attempt !== undefined ? attempt.attempts + 1 : 1;
  return { ...now, present: before?.present ?? nextTimestamp(record), attempts };
}

/** The newest backup; first, where the one before it was sent, the rest of its WAL, or there would be a hole. */
async function subjectAfter(clusterDirectory: string, { sent }: SyncRecord): Promise<SyncScope> {
  const newest = await newestScope(clusterDirectory);
  if (sent === undefined || sent.backup === newest.backup) return newest;
  const previous = await stagedScope(clusterDirectory, sent.backup);
  if (previous === undefined) return newest;
  const there = await stagedFiles(clusterDirectory, previous);
  if (fingerprint(there) !== sent.fingerprint) return previous;
  const known = new Set([...there, ...(await walOf(clusterDirectory, newest))]);
  const rest = (await walOf(clusterDirectory, previous)).filter((file) => !known.has(file));
  return rest.length > 0 ? previous : newest;
}

async function isSent(clusterDirectory: string, { sent }: SyncRecord, subject: SyncScope): Promise<boolean> {
  if (sent === undefined || sent.backup !== subject.backup) return false;
  const files = new Set(await filesToSync(clusterDirectory, subject));
  if (subject.backup !== null)
    for (const file of await stagedFiles(clusterDirectory, subject)) files.add(file);
  return fingerprint(files) === sent.fingerprint;
}

/** Neither a backup nor WAL has ever been here. */
async function hasAnything(clusterDirectory: string): Promise<boolean> {
  const subject = await newestScope(clusterDirectory);
  return subject.backup !== null || (await walOf(clusterDirectory, subject)).length > 0;
}

async function alone<T>({ clusterDirectory, wait, signal }: SyncOptions, work: () => Promise<T>): Promise<T> {
  const directory = directoryForSync(clusterDirectory);
  const file = join(directory, 'lock');
  await makeDurableDirectory(directory);
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
