/**
 * Examines the WAL that recovery of a copy made by another tool is going to replay, as far as the WAL is
 * available.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { FileHandle } from 'node:fs/promises';
import { parseTablespaceMap } from '../postgres/tablespace-map.ts';
import { readIdentity } from '../repository/cluster-identity.ts';
import { frameSize, readFully } from '../repository/compressed-file.ts';
import { readArchive, type ArchiveContents } from '../repository/archive-content.ts';
import type { LabelledBackup } from './labelled-backup.ts';
import { judged, type AheadFindings } from '../recovery/look-ahead.ts';
import { pathFrom } from '../recovery/select-backup.ts';
import type { RecoveryTarget, RecoveryTargetTimeline } from '../recovery/recovery-target.ts';
import { endsBefore } from '../recovery/required-wal.ts';
import { refuseBeforeEnd } from '../recovery/way-to-target.ts';
import { requireHistory, rival, unreachable, type TimelineQuestion } from '../recovery/target-timeline.ts';
import { readCatalog } from '../repository/catalog.ts';
import { archiveIn, walOfCopy, type WalEventSource } from '../recovery/wal-events.ts';

/** The copy whose WAL is examined. */
export interface CopyAhead {
  backup: LabelledBackup;
  /** The data directory of the copy. */
  directory: string;
  /** Bytes. */
  walSegmentSize: number;
  /**
   * The directory of the cluster in a repository that may have the WAL; undefined: only pg_wal of the copy is
   * examined.
   */
  clusterDirectory: string | undefined;
  /** Recovery ends just before this LSN; undefined: the recovery target is not known. */
  stopBefore: bigint | undefined;
  /** The timeline that recovery follows. */
  timeline: RecoveryTargetTimeline;
}

/** What lookAheadOfCopy() has found. */
export interface CopyFindings extends AheadFindings {
  /** Why recovery may not get to where it has to stop; undefined if that is in the WAL, or nobody knows the WAL. */
  doubt: string | undefined;
}

/**
 * Examines the WAL from the start of the backup on.
 * @throws HoldfastError `which_timeline`, `history_missing`, `no_backup_for_target`, `tablespace_created`,
 * `archive_damaged`
 */
export async function lookAheadOfCopy(ahead: CopyAhead): Promise<CopyFindings> {
  const { backup, directory, walSegmentSize, stopBefore, timeline } = ahead;
  const { description, tablespaceMap } = backup;
  const major = Number.parseInt(description.serverVersion, 10);
  const mapped = tablespaceMap === null ? [] : parseTablespaceMap(tablespaceMap, major);
  const places = new Set(mapped.map(({ location }) => location.toString('latin1')));
  const archive = await archiveOf(ahead);
  const target: Extract<RecoveryTarget, { kind: 'latest' | 'lsn' }> =
    stopBefore === undefined ? { kind: 'latest' } : { kind: 'lsn', lsn: stopBefore, exclusive: true };
  const path = pathFrom(description, timeline, archive?.histories ?? new Map());
  if (archive !== undefined) {
    const wish = { target, timeline };
    const isStandby = existsSync(join(directory, 'standby.signal'));
    const way = { wish, backup: { ...description, walSegmentSize }, path, archive };
    await refuseOtherWay(way, { clusterDirectory: archive.clusterDirectory, isStandby });
  }
  const events = walOfCopy({
    backup: { ...description, walSegmentSize },
    path,
    target,
    sources: [
      ...(archive === undefined ? [] : [archiveIn(archive.clusterDirectory)]),
      { pathOf: (name) => join(directory, 'pg_wal', name), read: readWhole },
    ],
  });
  const findings = await judged(events, {
    // tablespace_map leads recovery to this location anyway, and the operator has to place a copy of the
    // tablespace there.
    isOwn: ({ location }) => places.has(location),
    judging: {
      backup: description,
      stopBefore: (lsn) => `stop before it: --stop-before ${lsn}`,
      asWere: true,
    },
    despiteDamage: false,
  });
  const { last, stopsAt } = findings;
  const otherwise = `give a place behind ${description.stopLsn}, or restore a copy that was made during an older backup`;
  if (stopsAt !== undefined) refuseBeforeEnd(backup, target, { lsn: stopsAt }, otherwise);
  // Where the archive is another one, its end is not known.
  const isUnknown = archive === undefined || last === undefined || stopsAt !== undefined;
  return {
    ...findings,
    doubt: isUnknown || target.kind === 'latest' ? undefined : endsBefore(description, target, last),
  };
}

/**
 * Refuses a timeline that does not lead where the user means, as a restore does. `isStandby`: histories may come from the
 * primary, too.
 * @throws HoldfastError `which_timeline`, `history_missing`
 */
async function refuseOtherWay(
  way: Omit<TimelineQuestion, 'backups' | 'clusterDirectory'>,
  { clusterDirectory, isStandby }: { clusterDirectory: string; isStandby: boolean },
): Promise<void> {
  if (!isStandby) requireHistory(way.wish, way.archive);
  const { backups } = await readCatalog(clusterDirectory);
  const known = backups.map(({ description }) => description);
  const question = { ...way, backups: known, clusterDirectory };
  const refusal = (isStandby ? undefined : unreachable(question)) ?? (await rival(question));
  if (refusal !== undefined) throw refusal;
}

/** The WAL archive; undefined if the repository has no archive of this system identifier and segment size. */
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
  return isIts ? { ...(await readArchive(clusterDirectory)), clusterDirectory } : undefined;
}

const readWhole: WalEventSource['read'] = async function* (file: FileHandle, size: number) {
  for (let at = 0; at < size; at += frameSize) {
    const pages = Buffer.allocUnsafeSlow(Math.min(frameSize, size - at));
    await readFully(file, pages, at);
    yield pages;
  }
};
