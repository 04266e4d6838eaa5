/**
 * Finds out whether the WAL in the repository leads from a backup to the recovery target, and what keeps recovery from
 * getting there.
 */
import { HoldfastError } from '../errors.ts';
import { formatLsn, parseLsn } from '../postgres/lsn.ts';
import { ownSegments, type ArchiveContents } from '../repository/archive-content.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import { howToUsePartial, whatIsPartial, type PartialOnly } from '../repository/partial-segment.ts';
import { brokenChainOnPath } from './chain-on-path.ts';
import { partialOnWay } from './partial-on-path.ts';
import { isInRecords, reachedIn, recordWal, type ReachedTarget, type RecordedWal } from './recorded-wal.ts';
import { shellWord } from './recovery-commands.ts';
import { formatRecoveryTarget, type RecoveryTarget } from './recovery-target.ts';
import { doubtAbout, isBeyond, missingOfBackup, missingWal, type RequiredWal } from './required-wal.ts';
import type { WalAheadOptions } from './wal-events.ts';
import { coverageFrom } from './wal-path.ts';

/** The recovery whose WAL is asked for. */
export interface WayQuestion extends Pick<WalAheadOptions, 'clusterDirectory' | 'target' | 'signal'> {
  /** Whether the restore continues if WAL is missing. */
  despiteMissingWal: boolean;
  /** Whether the server has another source of WAL: a primary, or another restore_command. */
  hasOtherWal?: boolean;
}

/** The WAL from the backup to the target. */
export interface WayToTarget {
  backup: StoredBackup;
  /** Names of the segments in the pg_wal directory of the backup. */
  own: Set<string>;
  needs: RequiredWal & { backup: StoredBackup['description'] };
  recorded: RecordedWal | undefined;
  /** undefined: the WAL ends before the target, or only its end ends recovery. */
  reached: ReachedTarget | undefined;
}

/**
 * Finds the target in the WAL.
 * @throws HoldfastError `no_backup_for_target` where the target is within the backup
 */
export async function wayToTarget(
  { clusterDirectory, target, signal }: WayQuestion,
  archive: ArchiveContents,
  { backup, path }: WalAheadOptions['choice'],
): Promise<WayToTarget> {
  const own = await ownSegments(backup.directory);
  const segments = new Set([...archive.segments, ...own]);
  const { stopWal, walSegmentSize } = backup.description;
  const coverage = coverageFrom(stopWal, path, segments, walSegmentSize);
  const known = { backup: backup.description, target, path, segments, coverage };
  const isRead = isInRecords(target) && missingOfBackup(known) === undefined && !isBeyond(known);
  const recorded = isRead
    ? await recordWal({ choice: { backup, path }, clusterDirectory, target, signal })
    : undefined;
  const reached = recorded && reachedIn(recorded);
  if (reached !== undefined) refuseBeforeEnd(backup, target, reached);
  return { backup, own, needs: { ...known, isReached: reached !== undefined }, recorded, reached };
}

/**
 * Judges whether recovery gets to the target. Returns warnings.
 * @throws HoldfastError `wal_missing`, `wal_chain_broken`, `archive_damaged`
 */
export async function judgeWay(
  { clusterDirectory, despiteMissingWal, hasOtherWal = false }: WayQuestion,
  archive: ArchiveContents,
  { backup, own, needs, recorded, reached }: WayToTarget,
): Promise<string[]> {
  const partial = await partialOnWay(clusterDirectory, needs, archive);
  // Where the WAL is damaged, the check of the chain says where.
  const missing = recorded?.damage === undefined ? missingWal(needs) : undefined;
  if (missing !== undefined && !despiteMissingWal) throw walMissing(missing, partial);
  const { target, path } = needs;
  const last = target.kind === 'immediate' ? needs.backup.stopWal : reached?.segment;
  const archived = archive.segments;
  const broken = await brokenChainOnPath({ backup, clusterDirectory, path, last, archived, own });
  if (broken !== undefined && !despiteMissingWal) throw broken;
  const known = [broken?.message, missing];
  const doubts = hasOtherWal ? [] : doubtsAbout({ ...needs, archived }, partial, broken ?? missing);
  return [...known, ...doubts].filter((warning) => warning !== undefined);
}

/** What may keep recovery from the target, where it has no other source of WAL. `known`: what does, by another warning. */
function doubtsAbout(
  needs: Parameters<typeof doubtAbout>[0],
  partial: PartialOnly | undefined,
  known: unknown,
): (string | undefined)[] {
  return [
    known === undefined ? doubtAbout(needs) : undefined,
    partial && `${whatIsPartial(partial)}; ${howToUsePartial(partial, shellWord)}`,
  ];
}

/**
 * Refuses a target within the backup: PostgreSQL ends a recovery that reaches its target before the backup is consistent.
 * By the dates of the backup the target may be behind, where the clock of the worker was not that of the server.
 */
export function refuseBeforeEnd(
  { description: { id, stopLsn } }: { description: Pick<StoredBackup['description'], 'id' | 'stopLsn'> },
  target: RecoveryTarget,
  { lsn }: Pick<ReachedTarget, 'lsn'>,
  hint = 'name an older backup: type "holdfast restore --list" to see them',
): void {
  if (lsn >= parseLsn(stopLsn)) return;
  throw new HoldfastError(
    'failed',
    `backup ${id} cannot reach that target: its WAL is at ${formatRecoveryTarget(target)} at ${formatLsn(lsn)}, before the backup ended at ${stopLsn}`,
    { code: 'no_backup_for_target', hint },
  );
}

function walMissing(missing: string, partial: PartialOnly | undefined): HoldfastError {
  const options = 'choose another backup or an earlier target, or go on with --despite-missing-wal';
  const [also, hint] =
    partial === undefined
      ? [[], `find the missing segment and archive it ("holdfast wal push FILE"), ${options}`]
      : [[whatIsPartial(partial)], `${howToUsePartial(partial, shellWord)}; or ${options}`];
  return new HoldfastError('failed', [missing, ...also].join('; '), { code: 'wal_missing', hint });
}
