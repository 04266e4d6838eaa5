/** Checks whether the WAL that a restore needs is available. Pure. */
import { formatLsn, parseLsn } from '../postgres/lsn.ts';
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
  /** Whether a record in the consecutive segments is the target, or lies behind it. */
  isReached: boolean;
}

/** The WAL of the backup itself that is missing; undefined if all of it is there. */
export function missingOfBackup(needs: Omit<RequiredWal, 'isReached'>): string | undefined {
  const { backup, segments } = needs;
  const { startWal, stopWal, walSegmentSize } = backup;
  const absent = segmentRange(startWal, stopWal, walSegmentSize).find(
    (name) => !segments.has(name) && !segments.has(onPath(name, needs)),
  );
  if (absent === undefined) return undefined;
  return `backup ${backup.id} needs the WAL from ${startWal} to ${stopWal}, and ${absent} is not there`;
}

/**
 * The missing WAL that keeps recovery from reaching the target; undefined if no such WAL is known to be
 * missing.
 */
export function missingWal(needs: RequiredWal): string | undefined {
  const ofBackup = missingOfBackup(needs);
  if (ofBackup !== undefined) return ofBackup;
  const { target, isReached, coverage } = needs;
  if (target.kind === 'immediate' || isReached) return undefined;

  const { last, hole } = coverage;
  const before = target.kind === 'time' || target.kind === 'lsn' ? `, before ${placeOf(target)}` : undefined;
  if (hole !== undefined) return `${hole} is missing in the archive${before ?? ': recovery would end there'}`;
  return isBeyond(needs) ? `the archive ends with ${last}${before}` : undefined;
}

/** Whether the target is an LSN behind the consecutive segments, by their names alone. */
export function isBeyond({
  backup: { walSegmentSize },
  target,
  coverage: { last },
}: Pick<RequiredWal, 'backup' | 'target' | 'coverage'>): boolean {
  if (target.kind !== 'lsn') return false;
  const reached = last === undefined ? -1n : parseSegmentName(last, walSegmentSize).number;
  return (target.lsn - 1n) / BigInt(walSegmentSize) > reached;
}

function placeOf(target: Extract<RecoveryTarget, { kind: 'time' | 'lsn' }>): string {
  return target.kind === 'time' ? formatTime(target.at) : formatLsn(target.lsn);
}

/**
 * The segment that recovery reads in place of `name`. If the timeline was left within the segment, recovery
 * reads the segment of the next timeline.
 */
function onPath(
  name: string,
  { backup: { walSegmentSize }, path }: Pick<RequiredWal, 'backup' | 'path'>,
): string {
  return fileFor(parseSegmentName(name, walSegmentSize).number, path, walSegmentSize);
}

/**
 * Why the target is not reached although no WAL is known to be missing; undefined if recovery is expected to reach the
 * target.
 */
export function doubtAbout(
  needs: Omit<RequiredWal, 'backup'> & {
    backup: RequiredWal['backup'] & Pick<RepositoryBackup, 'serverVersion' | 'stopLsn'>;
    archived: ReadonlySet<string>;
  },
): string | undefined {
  const { backup, target, coverage, isReached, archived } = needs;
  if (target.kind === 'immediate') return doubtAboutEnd(backup, coverage);
  if (isReached) return undefined;
  // The backup's own WAL may lead to the first segment of the archive if archiving was set up later.
  if (coverage.last === undefined || !archived.has(coverage.last)) {
    const nothing = `the archive has no WAL from the end of backup ${backup.id} on`;
    if (target.kind === 'latest') return `${nothing}: recovery ends there`;
    return `${nothing}, and ${whatIsNotIn(target)}: ${whatFollows(backup)}`;
  }
  if (target.kind === 'latest') return undefined;
  const older =
    target.kind === 'xid' || target.kind === 'name' ? '; name an older backup if it was before this one' : '';
  return `${endsBefore(backup, target, coverage.last)}${older}`;
}

/** That the archive ends with the segment `last`, and does not have the target, and what a server does then. */
export function endsBefore(
  backup: Pick<RepositoryBackup, 'serverVersion'>,
  target: Exclude<RecoveryTarget, { kind: 'latest' | 'immediate' }>,
  last: string,
): string {
  return `the archive ends with ${last}, and ${whatIsNotIn(target)}: ${whatFollows(backup)}`;
}

function doubtAboutEnd(
  backup: Parameters<typeof doubtAbout>[0]['backup'],
  { last }: Coverage,
): string | undefined {
  const { id, stopWal } = backup;
  if (!endsWithLast(backup, last)) return undefined;
  return `backup ${id} ends exactly with ${stopWal}, which is the last segment, and recovery stops at its end only where a record follows: ${whatFollows(backup)}; without a target, recovery ends there as well`;
}

/**
 * Whether no record follows the end of the backup. A server stops at the end of the backup as at a target when it meets the
 * next record (xlogrecovery.c: recoveryStopsBefore). A backup that ends exactly with a segment has none of its own. `last`:
 * the last segment that recovery gets.
 */
export function endsWithLast(
  {
    serverVersion,
    stopLsn,
    stopWal,
    walSegmentSize,
  }: Pick<RepositoryBackup, 'serverVersion' | 'stopLsn' | 'stopWal' | 'walSegmentSize'>,
  last: string | undefined,
): boolean {
  const isBoundary = parseLsn(stopLsn) % BigInt(walSegmentSize) === 0n;
  return isBoundary && last === stopWal && Number.parseInt(serverVersion, 10) >= 13;
}

function whatIsNotIn(target: Exclude<RecoveryTarget, { kind: 'latest' | 'immediate' }>): string {
  switch (target.kind) {
    case 'time':
      return `no transaction in it ended after ${placeOf(target)}`;
    case 'lsn':
      return `no record in it begins at ${placeOf(target)} or behind`;
    case 'xid':
      return `transaction ${target.xid} is not known to end in the WAL after the backup`;
    case 'name':
      return `restore point ${target.name} is not in the WAL after the backup`;
  }
}

/** What a server does whose recovery ends before the target (xlogrecovery.c: PerformWalRecovery; new in 13). */
function whatFollows({ serverVersion }: Pick<RepositoryBackup, 'serverVersion'>): string {
  const major = Number.parseInt(serverVersion, 10);
  return major < 13
    ? `PostgreSQL ${major} opens at the end of the WAL without a word`
    : 'PostgreSQL ends the recovery with an error. If the server that wrote the WAL runs, type SELECT pg_switch_wal() there first';
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
