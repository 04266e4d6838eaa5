/**
 * Finds the backup that a user asks to restore, and the WAL that recovery needs. Uses the repository only,
 * without a database.
 */
import { basename } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { entryName, isEntryOf } from '../repository/backup-name.ts';
import type { RepositoryBackup } from '../repository/repository-backup.ts';
import { requireRecorded, type RecordedBackup } from '../repository/recorded-backup.ts';
import { readOwner } from '../repository/repository-owner.ts';
import { readArchive, type ArchiveContents } from '../repository/archive-content.ts';
import {
  endsIn,
  leadsThrough,
  pathFrom,
  selectBackup,
  reasonAgainst,
  type SelectionCriteria,
} from './select-backup.ts';
import { damageWarning } from './damage-warning.ts';
import {
  backupAt,
  readCatalog,
  requireCatalog,
  type DamagedBackup,
  type StoredBackup,
} from '../repository/catalog.ts';
import { requireWholeChain } from './require-whole-chain.ts';
import { notArchived } from './required-wal.ts';
import type { RecordedWal } from './recorded-wal.ts';
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
import { judgeWay, wayToTarget, type WayQuestion } from './way-to-target.ts';

/** A request to restore a backup. */
export interface RestoreRequest extends SelectionCriteria, WayQuestion {
  /** The ID, the name or the directory of a backup; undefined: the best backup for the target. */
  which: string | undefined;
  /** What the request of the backup has recorded; with `which`, the backup has to have that name. */
  recorded?: RecordedBackup | undefined;
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
  /** The WAL up to the target; undefined where only its end ends recovery, so that it has not been read. */
  recorded: RecordedWal | undefined;
  warnings: string[];
}

/**
 * Resolves a request to one backup and its WAL.
 * @throws HoldfastError `no_such_backup`, `backup_ambiguous`, `no_backup_for_target`, `which_timeline`,
 * `history_missing`, `wal_missing`, `wal_chain_broken`, `backup_chain_broken`, `backup_of_other_origin`
 */
export async function resolveBackup(question: RestoreRequest): Promise<RestorePlan> {
  const archive = await readArchive(question.clusterDirectory);
  if (!question.hasOtherWal) requireHistory(question, archive);
  const { backup, path, warnings } = await choose(question, archive);
  const lacksHistory = await requireTimeline(question, archive, { backup, path, warnings });
  const way = await wayToTarget(question, archive, { backup, path });
  warnings.push(...(await judgeWay(question, archive, way)), ...(await damageOf(backup, question, archive)));
  const fromBackup = notArchived({ backup: backup.description, archived: archive.segments });
  return {
    backup,
    path,
    fromBackup: fromBackup.filter((name) => way.own.has(name)),
    hasHole: way.needs.coverage.hole !== undefined,
    lacksHistory,
    nextTimeline: nextTimeline({ path, archive }),
    recorded: way.recorded,
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
  { clusterDirectory, which, recorded, ...wish }: RestoreRequest,
  { histories }: ArchiveContents,
): Promise<Pick<RestorePlan, 'backup' | 'path' | 'warnings'>> {
  const backup = await namedBackup({ clusterDirectory, which, recorded });
  if (backup !== undefined) {
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
    const its = which ?? backup.description.id;
    throw new HoldfastError('failed', `backup ${its} cannot reach that target: ${reason}`, {
      code: 'no_backup_for_target',
      hint: leadsThrough(path, backup.description)
        ? 'leave the name of the backup out: Holdfast takes one that ended before the target'
        : `type --target-timeline current for the timeline ${backup.description.timeline} of that backup, or leave its name out`,
    });
  }
  const catalog = await requireCatalog(clusterDirectory);
  const { backups, damaged } = catalog;
  const select = (among: readonly StoredBackup[]) =>
    selectBackup(
      among.map((stored) => ({ ...stored.description, backup: stored })),
      wish,
      histories,
    );
  const { backup: chosen, path, passedOver } = sayingDamaged(damaged, () => select(backups));
  requireWholeChain(chosen.backup, catalog, (among) => select(among).backup.backup);
  refuseStranger(
    chosen.backup.description,
    backups.map(({ description }) => description),
    await readOwner(clusterDirectory),
  );
  const names = passedOver.map((other) => `${other.id} (timeline ${other.timeline})`);
  const elsewhere = `newer backups are not on the way to timeline ${path.at(-1)?.timeline}: ${names.join(', ')}`;
  const warnings = damaged.map(({ problem }) => problem);
  if (names.length > 0) warnings.push(elsewhere);
  return { backup: chosen.backup, path, warnings };
}

/** What is known of damaged pages in the backup, and which backup has none. */
async function damageOf(
  { description }: StoredBackup,
  { clusterDirectory, target, timeline }: RestoreRequest,
  { histories }: ArchiveContents,
): Promise<string[]> {
  if (description.damagedPages.length === 0) return [];
  const { backups } = await readCatalog(clusterDirectory);
  const whole = backups.map((one) => one.description).filter((one) => one.damagedPages.length === 0);
  let instead: RepositoryBackup | undefined;
  try {
    instead = selectBackup(whole, { target, timeline }, histories).backup;
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
  }
  return [damageWarning(description, instead)].filter((warning) => warning !== undefined);
}

/** Has the error say which backups could not be considered: without them, it would send the user elsewhere. */
function sayingDamaged<T>(damaged: readonly DamagedBackup[], select: () => T): T {
  try {
    return select();
  } catch (error) {
    if (!(error instanceof HoldfastError) || damaged.length === 0) throw error;
    const message = [error.message, ...damaged.map(({ problem }) => problem)].join('; ');
    const hint = `put back what is damaged, from a copy of the repository; or ${error.hint}`;
    throw new HoldfastError('failed', message, { code: error.code, hint, cause: error });
  }
}

/** The backup that the user or a chore means; undefined: the right one for the target. */
async function namedBackup({
  clusterDirectory,
  which,
  recorded,
}: Pick<RestoreRequest, 'clusterDirectory' | 'which' | 'recorded'>): Promise<StoredBackup | undefined> {
  if (recorded !== undefined) return requireRecorded(clusterDirectory, recorded, which ?? null);
  return which === undefined ? undefined : findInRepository(clusterDirectory, which);
}

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
      hint: `type "holdfast restore --list" to see the backups${/^\d+$/.test(which) ? `, and "holdfast status ${which}" to see whether it has expired, or has the method hold: such a copy is restored as docs/restore-by-hand.md says` : ''}`,
    });
  }
  const names = fits.map(({ directory }) => basename(directory)).join(', ');
  throw new HoldfastError('failed', `${fits.length} backups have the id ${which}: ${names}`, {
    code: 'backup_ambiguous',
    hint: 'give the name of the backup: ids repeat after a restore of the control database',
  });
}
