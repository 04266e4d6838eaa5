/** What recovery is going to meet in a copy that others made, as far as its WAL can be seen from here. */
import { join } from 'node:path';
import type { FileHandle } from 'node:fs/promises';
import { parseTablespaceMap } from '../postgres/tablespace-map.ts';
import { readIdentity } from '../repository/cluster-identity.ts';
import { frameSize, readFully } from '../repository/compressed-file.ts';
import { readArchiveContents } from '../recovery/archive-content.ts';
import type { LabelledBackup } from './labelled-backup.ts';
import { judged, type AheadFindings } from '../recovery/look-ahead.ts';
import { pathFrom } from '../recovery/select-backup.ts';
import type { RecoveryTarget } from '../recovery/recovery-target.ts';
import { archiveIn, walOfCopy, type WalEventSource } from '../recovery/wal-events.ts';
import type { ArchiveContents } from '../recovery/wal-path.ts';

export interface CopyAhead {
  backup: LabelledBackup;
  /** The copy's data directory. */
  directory: string;
  /** Bytes. */
  walSegmentSize: number;
  /** Of the cluster, in a repository that may have its WAL; undefined: the copy's own pg_wal is all there is. */
  clusterDirectory: string | undefined;
  /** Where recovery is told to end, just before it; undefined: nothing is known of that. */
  stopBefore: bigint | undefined;
}

/** @throws HoldfastError `tablespace_created`, `archive_damaged` */
export async function lookAheadOfCopy(ahead: CopyAhead): Promise<AheadFindings> {
  const { backup, directory, walSegmentSize, stopBefore } = ahead;
  const { description, tablespaceMap } = backup;
  const major = Number.parseInt(description.serverVersion, 10);
  const mapped = tablespaceMap === null ? [] : parseTablespaceMap(tablespaceMap, major);
  const places = new Set(mapped.map(({ location }) => location.toString('latin1')));
  const archive = await archiveOf(ahead);
  const target: RecoveryTarget =
    stopBefore === undefined ? { kind: 'latest' } : { kind: 'lsn', lsn: stopBefore, exclusive: true };
  const events = walOfCopy({
    backup: { ...description, walSegmentSize },
    path: pathFrom(description, 'latest', archive?.histories ?? new Map()),
    target,
    sources: [
      ...(archive === undefined ? [] : [archiveIn(archive.clusterDirectory)]),
      { pathOf: (name) => join(directory, 'pg_wal', name), read: readWhole },
    ],
  });
  return judged(events, {
    // The map leads recovery there in any case: a copy of the files is to be there.
    isOwn: ({ location }) => places.has(location),
    judging: {
      backup: description,
      stopBefore: (lsn) => `stop before it: --stop-before ${lsn}`,
      asWere: true,
    },
    despiteDamage: false,
  });
}

/** undefined: there is none of this system. */
async function archiveOf({
  backup,
  walSegmentSize,
  clusterDirectory,
}: CopyAhead): Promise<(ArchiveContents & { clusterDirectory: string }) | undefined> {
  if (clusterDirectory === undefined) return undefined;
  const identity = await readIdentity(clusterDirectory);
  const isIts =
    identity?.systemIdentifier === backup.description.systemIdentifier &&
    identity.walSegmentSize === walSegmentSize;
  return isIts ? { ...(await readArchiveContents(clusterDirectory)), clusterDirectory } : undefined;
}

const readWhole: WalEventSource['read'] = async function* (file: FileHandle, size: number) {
  for (let at = 0; at < size; at += frameSize) {
    const pages = Buffer.allocUnsafeSlow(Math.min(frameSize, size - at));
    await readFully(file, pages, at);
    yield pages;
  }
};
