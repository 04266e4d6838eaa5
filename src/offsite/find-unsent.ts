/** Decides what is unsent: the files that the next run of an off-site sync has to send. */
import {
  fingerprint,
  stagedFiles,
  stagedScope,
  newestScope,
  nextScope,
  walOf,
  filesToSync,
  type SyncScope,
} from './sync-content.ts';
import { readSyncRecord, type SyncRecord } from './sync-record.ts';

/**
 * Whether files are unsent, without taking the lock. undefined means that no file is unsent. `since` is the
 * end of the last successful run; undefined if there was none.
 */
export async function findUnsent(
  clusterDirectory: string,
): Promise<{ since: string | undefined } | undefined> {
  if (!(await hasAnything(clusterDirectory))) return undefined;
  const record = await readSyncRecord(clusterDirectory);
  const all = await isSent(clusterDirectory, record, await subjectAfter(clusterDirectory, record));
  return all ? undefined : { since: record.sent?.at };
}

/**
 * The scope of the next run: the newest backup, or the first link of its chain that is not known to have been sent.
 * If an earlier backup was sent, the rest of its WAL is sent first, because the off-site WAL would have a gap
 * otherwise.
 */
export async function subjectAfter(clusterDirectory: string, { sent }: SyncRecord): Promise<SyncScope> {
  const newest = await newestScope(clusterDirectory);
  if (sent?.backup === newest.backup) return newest;
  const next = await nextScope(clusterDirectory, sent?.backup, newest);
  const previous = sent && (await stagedScope(clusterDirectory, sent.backup));
  if (sent === undefined || previous === undefined) return next;
  const there = await stagedFiles(clusterDirectory, previous);
  const files = await filesToSync(clusterDirectory, previous);
  // As in stageFiles(), the source has the mark of a file: a copy of the source may have another time.
  const marked = new Map([...there].map(([file, mark]) => [file, files.get(file) ?? mark]));
  if (fingerprint(marked) !== sent.fingerprint) return previous;
  const sentNext = await walOf(clusterDirectory, next);
  const rest = [...(await walOf(clusterDirectory, previous)).keys()];
  return rest.every((file) => there.has(file) || sentNext.has(file)) ? next : previous;
}

/** Whether the last successful run sent all files of a scope. */
export async function isSent(
  clusterDirectory: string,
  { sent }: SyncRecord,
  subject: SyncScope,
): Promise<boolean> {
  if (sent === undefined || sent.backup !== subject.backup) return false;
  const files = await filesToSync(clusterDirectory, subject);
  const staged = subject.backup === null ? [] : await stagedFiles(clusterDirectory, subject);
  return fingerprint(new Map([...staged, ...files])) === sent.fingerprint;
}

/** Whether the repository has a backup or WAL of the cluster. */
export async function hasAnything(clusterDirectory: string): Promise<boolean> {
  const subject = await newestScope(clusterDirectory);
  return subject.backup !== null || (await walOf(clusterDirectory, subject)).size > 0;
}
