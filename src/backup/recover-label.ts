/**
 * A label that was lost between pg_backup_stop and its recording can be rebuilt: on a primary the server
 * notes every backup in a history file in the WAL archive, which has the label's own lines and two more.
 * The tablespace map is rebuilt from the tablespaces as they were at the start.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BackupStop } from '../control/backup-requests.ts';
import { readBackupHistoryFile } from '../server/server-queries.ts';
import { parseBackupHistory } from '../postgres/backup-label.ts';
import { formatLsn, parseLsn } from '../postgres/lsn.ts';
import { backupHistoryFileName, parseSegmentName, segmentBefore } from '../postgres/wal-segment.ts';
import type { ClusterServer } from '../server/cluster-server.ts';

export interface BackupToRecover {
  label: string;
  startLsn: string;
  startWal: string;
  tablespaces: Buffer | null;
}

/** Milliseconds that a server which is restarting may take to answer. */
const patience = 30_000;

/** undefined where there is no history file: then the backup had not been stopped, or nobody can read it. */
export async function recoverBackupStop(
  server: ClusterServer,
  backup: BackupToRecover,
): Promise<BackupStop | undefined> {
  const segmentSize = await untilReachable(() => server.segmentSize());
  if (segmentSize === undefined) return undefined;
  const name = backupHistoryFileName(backup.startWal, parseLsn(backup.startLsn), segmentSize);
  for (const read of sources(server, name)) {
    const bytes = await read().catch(() => undefined);
    const stop = bytes && endingFrom(bytes, backup, segmentSize);
    if (stop) return stop;
  }
  return undefined;
}

function sources(server: ClusterServer, name: string): (() => Promise<Buffer | undefined>)[] {
  return [
    async () => server.archiveDirectory && readFile(join(server.archiveDirectory, name)),
    async () => readBackupHistoryFile((await server.companion()).db, name),
    async () => readFile(join(await server.dataDirectory(), 'pg_wal', name)),
  ].map((read) => async () => (await read()) || undefined);
}

/** The history file of 15 and newer names the segment after the stop where the backup stopped at a segment's end. */
function endingFrom(bytes: Buffer, backup: BackupToRecover, segmentSize: number): BackupStop | undefined {
  const history = parseBackupHistory(bytes);
  if (formatLsn(history.label.startLsn) !== backup.startLsn || !sameLabel(history.label.label, backup.label))
    return undefined;
  return {
    stopLsn: formatLsn(history.stopLsn),
    stopWal: segmentBefore(
      history.stopLsn,
      parseSegmentName(history.stopWal, segmentSize).timeline,
      segmentSize,
    ),
    label: history.labelBytes,
    tablespaceMap: backup.tablespaces,
  };
}

/** The file has the bytes of the server's encoding; what is no UTF-8 there cannot be compared. */
function sameLabel(inFile: string, requested: string): boolean {
  return inFile === requested || inFile.includes('\ufffd');
}

async function untilReachable<T>(ask: () => Promise<T>): Promise<T | undefined> {
  for (const deadline = Date.now() + patience; Date.now() < deadline; await sleep(250)) {
    try {
      return await ask();
    } catch {
      // Not reachable yet.
    }
  }
  return undefined;
}
