/**
 * Rebuilds a backup_label that was lost between pg_backup_stop and its recording. On a primary, the server writes
 * a backup history file for every backup; this file has the lines of backup_label and two more. tablespace_map is
 * rebuilt from the tablespaces at the start of the backup.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BackupStart, BackupStop } from '../postgres/backup-facts.ts';
import { readBackupHistoryFile } from '../server/server-queries.ts';
import { parseBackupHistory, type BackupHistory } from '../postgres/backup-label.ts';
import { formatLsn, parseLsn } from '../postgres/lsn.ts';
import { backupHistoryFileName, parseSegmentName, segmentBefore } from '../postgres/wal-segment.ts';
import type { ClusterServer } from '../server/cluster-server.ts';
import { readSmallFile } from '../system/small-file.ts';

/** Milliseconds for which a restarting server may be unreachable. */
const patience = 30_000;

/**
 * Returns the label from the backup history file. undefined: the history file does not exist, since the backup was
 * not stopped, or cannot be read.
 */
export async function recoverBackupStop(
  server: ClusterServer,
  requestedLabel: string,
  start: Pick<BackupStart, 'startLsn' | 'startWal' | 'tablespaces'>,
): Promise<BackupStop | undefined> {
  const segmentSize = await untilReachable(() => server.segmentSize());
  if (segmentSize === undefined) return undefined;
  const name = backupHistoryFileName(start.startWal, parseLsn(start.startLsn), segmentSize);
  for (const read of sources(server, name)) {
    const bytes = await read().catch(() => undefined);
    const history = bytes && parseBackupHistory(bytes);
    if (!history || history.label.startLsn !== parseLsn(start.startLsn)) continue;
    if (sameLabel(history.label.label, requestedLabel)) return stopOf(history, start, segmentSize);
  }
  return undefined;
}

function sources(server: ClusterServer, name: string): (() => Promise<Buffer | undefined>)[] {
  return [
    async () => server.archiveDirectory && readSmallFile(join(server.archiveDirectory, name)),
    async () => readBackupHistoryFile((await server.monitor()).db, name),
    async () => readSmallFile(join(await server.dataDirectory(), 'pg_wal', name)),
  ].map((read) => async () => (await read()) || undefined);
}

/**
 * From PostgreSQL 15 on, the history file names the segment after the stop if the backup stopped at the end of a
 * segment.
 */
function stopOf(
  { stopLsn, stopWal, labelBytes }: BackupHistory,
  { tablespaces }: Pick<BackupStart, 'tablespaces'>,
  segmentSize: number,
): BackupStop {
  const { timeline } = parseSegmentName(stopWal, segmentSize);
  return {
    stoppedAt: new Date().toISOString(),
    stopLsn: formatLsn(stopLsn),
    stopWal: segmentBefore(stopLsn, timeline, segmentSize),
    label: labelBytes,
    tablespaceMap: tablespaces,
  };
}

/**
 * Compares two labels. The history file has the encoding of the server; a label that is not valid UTF-8 there
 * cannot be compared and counts as the same.
 */
function sameLabel(inFile: string, requested: string): boolean {
  return inFile === requested || inFile.includes('\ufffd');
}

async function untilReachable<T>(ask: () => Promise<T>): Promise<T | undefined> {
  for (const deadline = Date.now() + patience; Date.now() < deadline; await sleep(250)) {
    try {
      return await ask();
    } catch {
      // The server cannot be reached yet.
    }
  }
  return undefined;
}
