/**
 * Selects the backup for a recovery target: the newest backup that ended before the target, on a timeline
 * that leads to the target. The order of backups follows their LSNs first and their dates second. Pure.
 */
import { endsOf, newestFirst, type OrderedBackup } from '../postgres/backup-order.ts';
import { isOnWay, spansTo, type TimelineSpan } from '../postgres/timeline-history.ts';
import { HoldfastError } from '../errors.ts';
import { formatLsn, parseLsn } from '../postgres/lsn.ts';
import type { RepositoryBackup } from '../repository/repository-backup.ts';
import { formatTime, type RecoveryTarget, type RecoveryTargetTimeline } from './recovery-target.ts';
import { newestTimeline } from './newest-timeline.ts';
import type { ArchiveContents } from '../repository/archive-content.ts';

/** The fields of a backup that the selection uses. */
export type BackupCandidate = Pick<
  RepositoryBackup,
  'id' | 'timeline' | 'startedAt' | 'stoppedAt' | 'startLsn' | 'stopLsn'
> &
  Partial<Pick<RepositoryBackup, 'systemIdentifier'>>;

/** The target and the timeline that the user asks for. */
export interface SelectionCriteria {
  target: RecoveryTarget;
  timeline: RecoveryTargetTimeline;
}

/** The result of the selection. */
export interface SelectedBackup<T> {
  backup: T;
  /** The timelines of recovery, oldest first. */
  path: TimelineSpan[];
  /** Newer backups that are on other timelines. */
  passedOver: T[];
}

const hintForNone =
  'look whether that is the right repository (--repository, --cluster); restore a copy of another tool as docs/restore-by-hand.md says';
const hintForOthers =
  'give a later target or another --target-timeline, or see the backups with "holdfast restore --list"; restore a copy of another tool by hand';

/**
 * Selects the newest backup that can reach the target.
 * @throws HoldfastError `no_backup_for_target` saying why no backup can reach the target
 */
export function selectBackup<T extends BackupCandidate>(
  backups: readonly T[],
  wish: SelectionCriteria,
  histories: ArchiveContents['histories'],
): SelectedBackup<T> {
  const inOrder = inTheirOrder(backups, histories);
  const ended = endsIn(backups, histories);
  const passedOver: T[] = [];
  for (const backup of inOrder) {
    const path = pathFrom(backup, wish.timeline, histories);
    if (reasonAgainst(backup, path, wish, ended(backup)) === undefined) return { backup, path, passedOver };
    if (!leadsThrough(path, backup)) passedOver.push(backup);
  }
  const nearest = inOrder.at(-1);
  const why =
    nearest && reasonAgainst(nearest, pathFrom(nearest, wish.timeline, histories), wish, ended(nearest));
  throw new HoldfastError('failed', explain(nearest, why), {
    code: 'no_backup_for_target',
    hint: nearest === undefined ? hintForNone : hintForOthers,
  });
}

/**
 * Why this backup cannot reach the target; undefined if the LSN and the end time of the backup allow the
 * target. `ended` is the end time according to endsIn(); undefined if the end time is unknown.
 */
export function reasonAgainst(
  backup: BackupCandidate,
  path: readonly TimelineSpan[],
  { target }: SelectionCriteria,
  ended: Date | undefined,
): string | undefined {
  if (!leadsThrough(path, backup)) {
    const last = path.at(-1)?.timeline;
    return `it ends at ${backup.stopLsn} on timeline ${backup.timeline}, which is not on the way to timeline ${last}`;
  }
  if (target.kind === 'time') {
    if (ended === undefined)
      return `it is dated ${backup.stoppedAt}, before others that lie before it: the clock was behind, and nothing tells when it ended`;
    if (BigInt(ended.getTime()) * 1000n > target.at.microseconds)
      return `it ended at ${ended.toISOString()}, after ${formatTime(target.at)}`;
  }
  if (target.kind === 'lsn' && parseLsn(backup.stopLsn) > target.lsn)
    return `it ended at ${backup.stopLsn}, after ${formatLsn(target.lsn)}`;
  return undefined;
}

/** The timelines of the recovery of this backup, oldest first. */
export function pathFrom(
  backup: BackupCandidate,
  timeline: RecoveryTargetTimeline,
  histories: ArchiveContents['histories'],
): TimelineSpan[] {
  if (timeline === 'current') return spansTo(backup.timeline, histories);
  return spansTo(timeline === 'latest' ? newestTimeline(backup.timeline, histories) : timeline, histories);
}

/** Whether the backup ended before its timeline was left. */
export function leadsThrough(path: readonly TimelineSpan[], backup: BackupCandidate): boolean {
  return isOnWay({ timeline: backup.timeline, stopLsn: parseLsn(backup.stopLsn) }, path);
}

function explain(nearest: BackupCandidate | undefined, reason: string | undefined): string {
  if (nearest === undefined) return 'the repository has no backup of this cluster';
  return `no backup can reach this target; backup ${nearest.id} is the oldest, and ${reason}`;
}

/** Sorts the backups, newest first. */
function inTheirOrder<T extends BackupCandidate>(
  backups: readonly T[],
  histories: ArchiveContents['histories'],
): T[] {
  const { ordered, systemIdentifier } = orderable(backups);
  return newestFirst(ordered, { histories, systemIdentifier }).map(({ backup }) => backup);
}

/**
 * Returns a function that tells when a backup ended. The result is undefined if the backup has an end time
 * before the start of another backup with a smaller LSN. In this case the clock was behind, and a recovery to
 * a point in time might include changes made after this time.
 */
export function endsIn<T extends BackupCandidate>(
  backups: readonly T[],
  histories: ArchiveContents['histories'],
): (backup: T) => Date | undefined {
  const { ordered, systemIdentifier } = orderable(backups);
  const begun = ordered.map((one) => ({ ...one, stoppedAt: new Date(one.backup.startedAt) }));
  const lastBegin = endsOf(begun, { histories, systemIdentifier });
  const ends = new Map(
    begun.map((one) => {
      const end = new Date(one.backup.stoppedAt);
      return [one.backup, lastBegin(one) > end ? undefined : end];
    }),
  );
  return (backup) => ends.get(backup);
}

interface Orderable<T> {
  ordered: (OrderedBackup & { backup: T; isAhead: boolean })[];
  systemIdentifier: string | undefined;
}

function orderable<T extends BackupCandidate>(backups: readonly T[]): Orderable<T> {
  const now = Date.now();
  const ordered = backups.map((backup) => ({
    backup,
    id: backup.id,
    systemIdentifier: backup.systemIdentifier ?? '',
    timeline: backup.timeline,
    stopLsn: parseLsn(backup.stopLsn),
    stoppedAt: new Date(backup.stoppedAt),
    isAhead: Date.parse(backup.stoppedAt) > now,
  }));
  return { ordered, systemIdentifier: ordered.at(-1)?.systemIdentifier };
}
