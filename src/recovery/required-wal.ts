/** Checks whether the WAL that a restore needs is available. Pure. */
import { formatLsn } from '../postgres/lsn.ts';
import { parseSegmentName, segmentRange } from '../postgres/wal-segment.ts';
import type { RepositoryBackup } from '../repository/repository-backup.ts';
import { formatTime, type RecoveryTarget } from './recovery-target.ts';
import { fileFor, type Coverage } from './wal-path.ts';
import type { TimelineSpan } from '../postgres/timeline-history.ts';

/** The WAL that a restore needs, and the WAL that is available. */
export interface RequiredWal {
  backup: Pick<RepositoryBackup, 'id' | 'startWal' | 'stopWal' | 'walSegmentSize'>;
  target: RecoveryTarget;
  /** The timelines of recovery, oldest first. */
  path: readonly TimelineSpan[];
  /** Names of the segments in the WAL archive and in the pg_wal directory of the backup. */
  segments: ReadonlySet<string>;
  /** The consecutive segments, from the last segment of the backup on. */
  coverage: Coverage;
  /**
   * When the last of the consecutive segments was archived; undefined if the archive does not have the
   * segment.
   */
  archivedAt: Date | undefined;
}

/**
 * The missing WAL that keeps recovery from reaching the target; undefined if no such WAL is known to be
 * missing.
 */
export function missingWal(needs: RequiredWal): string | undefined {
  const { backup, target, segments, coverage, archivedAt } = needs;
  const { startWal, stopWal, walSegmentSize } = backup;
  const absent = segmentRange(startWal, stopWal, walSegmentSize).find(
    (name) => !segments.has(name) && !segments.has(onPath(name, needs)),
  );
  if (absent !== undefined)
    return `backup ${backup.id} needs the WAL from ${startWal} to ${stopWal}, and ${absent} is not there`;
  if (target.kind === 'immediate') return undefined;

  const { last, hole } = coverage;
  if (target.kind === 'lsn') {
    const reached = last === undefined ? -1n : parseSegmentName(last, walSegmentSize).number;
    if ((target.lsn - 1n) / BigInt(walSegmentSize) <= reached) return undefined;
    const where = hole === undefined ? `the archive ends with ${last}` : `${hole} is missing in the archive`;
    return `${where}, before ${formatLsn(target.lsn)}`;
  }
  if (hole === undefined) return undefined;
  if (target.kind !== 'time') return `${hole} is missing in the archive: recovery would end there`;
  // A transaction that ended before a segment was archived may be in the next segment. A transaction that
  // ended after a segment was archived is never in the segment.
  if (archivedAt !== undefined && BigInt(archivedAt.getTime()) * 1000n >= target.at.microseconds)
    return undefined;
  return `${hole} is missing in the archive, before ${formatTime(target.at)}`;
}

/**
 * The segment that recovery reads in place of `name`. If the timeline was left within the segment, recovery
 * reads the segment of the next timeline.
 */
function onPath(name: string, { backup: { walSegmentSize }, path }: RequiredWal): string {
  return fileFor(parseSegmentName(name, walSegmentSize).number, path, walSegmentSize);
}

/**
 * Why the target may not be reached although no WAL is missing; undefined if recovery is expected to reach
 * the target.
 */
export function doubtAbout(needs: RequiredWal & { archived: ReadonlySet<string> }): string | undefined {
  const { backup, target, coverage, archivedAt, archived } = needs;
  if (target.kind === 'immediate' || target.kind === 'lsn') return undefined;
  // The backup's own WAL may lead to the first segment of the archive if archiving was set up later.
  if (coverage.last === undefined || !archived.has(coverage.last))
    return `the archive has no WAL from the end of backup ${backup.id} on: recovery ends there`;
  if (target.kind !== 'time' || archivedAt === undefined) return undefined;
  if (BigInt(archivedAt.getTime()) * 1000n >= target.at.microseconds) return undefined;
  return `the archive ends with ${coverage.last}, archived at ${archivedAt.toISOString()}, before ${formatTime(target.at)}: where nothing was committed after that time, and archived by then, PostgreSQL ends the recovery with an error`;
}

/** The segments of the backup that the WAL archive does not have. */
export function notArchived({
  backup,
  archived,
}: {
  backup: RequiredWal['backup'];
  archived: ReadonlySet<string>;
}): string[] {
  const { startWal, stopWal, walSegmentSize } = backup;
  return segmentRange(startWal, stopWal, walSegmentSize).filter((name) => !archived.has(name));
}
