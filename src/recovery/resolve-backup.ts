/**
 * Finds the backup that a user asks to restore, and the WAL that recovery needs. Uses the repository only,
 * without a database.
 */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { entryName, isEntryOf } from '../repository/backup-name.ts';
import { readOwner } from '../repository/repository-owner.ts';
import { howToUsePartial, whatIsPartial, type PartialOnly } from '../repository/partial-segment.ts';
import { archivedPath } from '../repository/wal-archive.ts';
import { ownSegments, readArchive, type ArchiveContents } from '../repository/archive-content.ts';
import { shellWord } from './recovery-commands.ts';
import {
  endsIn,
  leadsThrough,
  pathFrom,
  selectBackup,
  reasonAgainst,
  type SelectionCriteria,
} from './select-backup.ts';
import { partialOnWay } from './partial-on-path.ts';
import { backupAt, readCatalog, requireCatalog, type StoredBackup } from '../repository/catalog.ts';
import { doubtAbout, missingWal, notArchived } from './required-wal.ts';
import { brokenChainOnPath } from './chain-on-path.ts';
import { coverageFrom } from './wal-path.ts';
import type { TimelineSpan } from '../postgres/timeline-history.ts';
import {
  branchesOff,
  lostTimelines,
  nextTimeline,
  requireHistory,
  rival,
  unreachable,
} from './target-timeline.ts';
import { refuseStranger } from './foreign-backup.ts';

/** A request to restore a backup. */
export interface RestoreRequest extends SelectionCriteria {
  clusterDirectory: string;
  /** The ID, the name or the directory of a backup; undefined: the best backup for the target. */
  which: string | undefined;
  /** Whether the restore continues if WAL is missing. */
  despiteMissingWal: boolean;
  /** Whether the server has another source of WAL: a primary, or another restore_command. */
  hasOtherWal?: boolean;
}

/** The backup to restore, and the WAL of the recovery. */
export interface RestorePlan {
  backup: StoredBackup;
  /** The timelines of recovery, oldest first. */
  path: TimelineSpan[];
  /** Segments that only the backup has, in its own pg_wal directory. */
  fromBackup: string[];
  /**
   * Whether WAL after the target is missing. Recovery asks for this WAL, too, because recovery_prefetch reads
   * ahead.
   */
  hasHole: boolean;
  /**
   * Whether the server asks for timeline history files that are lost, and has to continue without these
   * files.
   */
  lacksHistory: boolean;
  /** The ID of the timeline that the restored server begins. */
  nextTimeline: number;
  warnings: string[];
}

/**
 * Resolves a request to one backup and its WAL.
 * @throws HoldfastError `no_such_backup`, `backup_ambiguous`, `no_backup_for_target`, `which_timeline`,
 * `history_missing`, `wal_missing`, `wal_chain_broken`, `backup_of_other_origin`
 */
export async function resolveBackup(question: RestoreRequest): Promise<RestorePlan> {
  const archive = await readArchive(question.clusterDirectory);
  if (!question.hasOtherWal) requireHistory(question, archive);
  const { backup, path, warnings } = await choose(question, archive);
  const lacksHistory = await requireTimeline(question, archive, { backup, path, warnings });
  const own = await ownSegments(backup.directory);
  const segments = new Set([...archive.segments, ...own]);
  const { stopWal, walSegmentSize } = backup.description;
  const coverage = coverageFrom(stopWal, path, segments, walSegmentSize);
  const archivedAt = await timeOf(question.clusterDirectory, coverage.last);
  const needs = { backup: backup.description, target: question.target, path, segments, coverage, archivedAt };
  const partial = await partialOnWay(question.clusterDirectory, needs, archive);
  const missing = missingWal(needs);
  if (missing !== undefined && !question.despiteMissingWal) throw walMissing(missing, partial);
  const { clusterDirectory, target } = question;
  const broken = await brokenChainOnPath({
    backup,
    clusterDirectory,
    path,
    target,
    archived: archive.segments,
    own,
  });
  if (broken !== undefined && !question.despiteMissingWal) throw broken;
  if (broken !== undefined) warnings.push(broken.message);
  const doubt = question.hasOtherWal ? undefined : doubtAbout({ ...needs, archived: archive.segments });
  const warning = missing ?? doubt;
  if (warning !== undefined) warnings.push(warning);
  if (partial !== undefined && !question.hasOtherWal)
    warnings.push(`${whatIsPartial(partial)}; ${howToUsePartial(partial, shellWord)}`);
  const fromBackup = notArchived({ backup: backup.description, archived: archive.segments });
  return {
    backup,
    path,
    fromBackup: fromBackup.filter((name) => own.has(name)),
    hasHole: coverage.hole !== undefined,
    lacksHistory,
    nextTimeline: nextTimeline({ path, archive }),
    warnings,
  };
}

/**
 * Checks that recovery follows the timeline that the user means. A standby and a server with another
 * restore_command get timeline history files from elsewhere. Returns whether history files are lost that the
 * server asks for.
 */
async function requireTimeline(
  { clusterDirectory, hasOtherWal, ...wish }: RestoreRequest,
  archive: ArchiveContents,
  { backup, path, warnings }: Pick<RestorePlan, 'backup' | 'path' | 'warnings'>,
): Promise<boolean> {
  const { backups } = await readCatalog(clusterDirectory);
  const known = backups.map(({ description }) => description);
  const asked = { wish, backup: backup.description, path, archive, backups: known, clusterDirectory };
  const beyond = unreachable(asked);
  if (beyond !== undefined && !hasOtherWal) throw beyond;
  if (beyond !== undefined) warnings.push(beyond.message);
  const other = await rival(asked);
  if (other !== undefined) throw other;
  if (hasOtherWal) return false;
  const lost = lostTimelines(asked);
  warnings.push(...lost, ...branchesOff(asked));
  return lost.length > 0;
}

async function choose(
  { clusterDirectory, which, ...wish }: RestoreRequest,
  { histories }: ArchiveContents,
): Promise<Pick<RestorePlan, 'backup' | 'path' | 'warnings'>> {
  if (which !== undefined) {
    const backup = await findInRepository(clusterDirectory, which);
    const path = pathFrom(backup.description, wish.timeline, histories);
    const isForTime = wish.target.kind === 'time'; // other backups matter for a target time only
    const others = isForTime ? (await readCatalog(clusterDirectory)).backups : [];
    // The backup may be a copy outside of the repository, which the list does not include.
    const known = [...others.map(({ description }) => description), backup.description];
    const reason = reasonAgainst(
      backup.description,
      path,
      wish,
      endsIn(known, histories)(backup.description),
    );
    if (reason === undefined) return { backup, path, warnings: [] };
    throw new HoldfastError('failed', `backup ${which} cannot reach that target: ${reason}`, {
      code: 'no_backup_for_target',
      hint: leadsThrough(path, backup.description)
        ? 'leave the name of the backup out: Holdfast takes one that ended before the target'
        : `type --target-timeline current for the timeline ${backup.description.timeline} of that backup, or leave its name out`,
    });
  }
  const { backups, damaged } = await requireCatalog(clusterDirectory);
  const candidates = backups.map((backup) => ({ ...backup.description, backup }));
  const { backup, path, passedOver } = selectBackup(candidates, wish, histories);
  refuseStranger(
    backup.backup.description,
    backups.map(({ description }) => description),
    await readOwner(clusterDirectory),
  );
  const names = passedOver.map((other) => `${other.id} (timeline ${other.timeline})`);
  const elsewhere = `newer backups are not on the way to timeline ${path.at(-1)?.timeline}: ${names.join(', ')}`;
  const warnings = damaged.map(({ problem }) => problem);
  if (names.length > 0) warnings.push(elsewhere);
  const { kind } = wish.target;
  if ((kind === 'xid' || kind === 'name') && backups.length > 1)
    warnings.push(
      `nothing tells when that ${what[kind]} was: backup ${backup.id} has to be older; or name another backup`,
    );
  return { backup: backup.backup, path, warnings };
}

const what = { xid: 'transaction', name: 'restore point' };

/**
 * Finds a backup by its ID, its name or its directory.
 * @throws HoldfastError `no_such_backup`, `backup_ambiguous`, `backup_damaged`
 */
export async function findInRepository(clusterDirectory: string, which: string): Promise<StoredBackup> {
  if (which.includes('/')) return backupAt(which);
  const { backups, damaged } = await readCatalog(clusterDirectory);
  const fits = backups.filter(
    ({ description }) => String(description.id) === which || entryName(description) === which,
  );
  const [found] = fits;
  if (found !== undefined && fits.length === 1) return found;
  const unreadable = damaged.find(({ name }) => name === which || isEntryOf(name, Number(which)));
  if (found === undefined && unreadable !== undefined) throw unreadable.error;
  if (found === undefined) {
    throw new HoldfastError('failed', `"${clusterDirectory}" has no backup ${which}`, {
      code: 'no_such_backup',
      hint: `type "holdfast restore --list" to see the backups${/^\d+$/.test(which) ? `, and "holdfast status ${which}" to see whether it has expired` : ''}`,
    });
  }
  const names = fits.map(({ directory }) => basename(directory)).join(', ');
  throw new HoldfastError('failed', `${fits.length} backups have the id ${which}: ${names}`, {
    code: 'backup_ambiguous',
    hint: 'give the name of the backup: ids repeat after a restore of the control database',
  });
}

function walMissing(missing: string, partial: PartialOnly | undefined): HoldfastError {
  const options = 'choose another backup or an earlier target, or go on with --despite-missing-wal';
  const [also, hint] =
    partial === undefined
      ? [[], `find the missing segment and archive it ("holdfast wal push FILE"), ${options}`]
      : [[whatIsPartial(partial)], `${howToUsePartial(partial, shellWord)}; or ${options}`];
  return new HoldfastError('failed', [missing, ...also].join('; '), { code: 'wal_missing', hint });
}

async function timeOf(clusterDirectory: string, segment: string | undefined): Promise<Date | undefined> {
  if (segment === undefined) return undefined;
  const stats = await stat(archivedPath(clusterDirectory, segment)).catch(() => undefined);
  return stats?.mtime;
}
