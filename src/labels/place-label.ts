/**
 * Writes backup_label and tablespace_map into a data directory that another tool has copied, after a check
 * that the files belong to the copy. Without backup_label, PostgreSQL would silently recover such a copy to a
 * wrong state.
 */
import type { Stats } from 'node:fs';
import { access, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { parseBackupLabel } from '../postgres/backup-label.ts';
import { parseControlFile } from '../postgres/pg-control.ts';
import { greaterParameters } from '../postgres/required-parameters.ts';
import { parseTablespaceMap } from '../postgres/tablespace-map.ts';
import { unsupportedFormat } from '../postgres/unknown-format-error.ts';
import type { LabelledBackup } from './labelled-backup.ts';
import { labelMismatch, type CopyToMatch } from '../repository/label-match.ts';
import { addToAutoConf, configuredIn } from '../recovery/auto-conf.ts';
import type { Creation } from '../recovery/created-tablespaces.ts';
import { writeOwned, type FileOwnership } from '../recovery/owned-files.ts';
import { lookAheadOfCopy } from './look-ahead-of-copy.ts';
import { targetSettings } from '../recovery/recovery-settings.ts';
import { parseTimeline, type RecoveryTargetTimeline } from '../recovery/recovery-target.ts';
import { shortSettings } from '../recovery/short-settings.ts';
import { fsyncDirectory } from '../system/durable-files.ts';
import { beside, noFollow, withinInPlace } from '../system/held-directory.ts';
import { readSmallFile } from '../system/small-file.ts';
import { serverLock } from '../postgres/postmaster.ts';
import { wholeLabel } from './whole-label.ts';
import { withoutOldCommands } from './without-old-commands.ts';
import { refuseOthers, writeLabelFiles, type Ownership } from './write-label.ts';

/** The result of placeLabel(). */
export interface PlacedLabel {
  /** Paths of the files that are in place now. */
  files: string[];
  /**
   * The path of a stale postmaster.pid that was in the copy and has been removed; undefined if there was
   * none.
   */
  removed: string | undefined;
  /**
   * The locations where recovery expects the tablespaces. Copies of the tablespaces have to be in these
   * locations before the start of the server.
   */
  tablespaces: { oid: string; location: string; exists: boolean }[];
  /** Tablespaces that recovery is going to create. */
  created: Creation[];
  /**
   * Settings that are smaller than in the WAL, with the values that recovery needs: hot standby pauses or ends there; and
   * with an empty value the commands of the old server that recovery would run. They have been set where a target has been
   * set.
   */
  settings: [string, string][];
  /**
   * The last WAL segment that has been examined for created tablespaces; undefined if all WAL up to the
   * recovery target has been examined.
   */
  lookedTo: string | undefined;
  /** Why recovery may not get to where it has to stop; undefined if nothing is known against it. */
  doubt: string | undefined;
}

/** The options of placeLabel(). */
export interface PlaceOptions {
  /**
   * The directory of the cluster in a repository that may have the WAL; undefined: only pg_wal of the copy is
   * examined.
   */
  clusterDirectory?: string | undefined;
  /** Recovery ends just before this LSN; undefined: the configuration of the copy decides. */
  stopBefore?: bigint | undefined;
  /** The timeline that recovery follows; undefined: as the configuration of the copy says. */
  timeline?: RecoveryTargetTimeline | undefined;
  /** The value of recovery_end_command with stopBefore; see endCommand(). */
  endCommand?: string;
}

/**
 * Checks the copy, and writes the label files. The directory is held open meanwhile: its owner could otherwise replace
 * the directory, and lead root elsewhere.
 * @throws HoldfastError
 */
export async function placeLabel(
  backup: LabelledBackup,
  dataDirectory: string,
  options: PlaceOptions = {},
): Promise<PlacedLabel> {
  requireDirectory(dataDirectory, await directoryStats(dataDirectory));
  const { files, removed, ...placed } = await withinInPlace(dataDirectory, (at) =>
    placeIn(at, backup, options),
  );
  const named = (path: string) => join(dataDirectory, basename(path));
  return { ...placed, files: files.map(named), removed: removed === undefined ? undefined : named(removed) };
}

/**
 * All checks come before the first change. recovery.signal comes last: with recovery.signal and without backup_label,
 * PostgreSQL would recover the copy to a wrong state.
 */
async function placeIn(
  dataDirectory: string,
  given: LabelledBackup,
  { clusterDirectory, stopBefore, timeline: chosen, endCommand = '' }: PlaceOptions,
): Promise<PlacedLabel> {
  const ownership = ownershipIn(dataDirectory, await directoryStats(dataDirectory));
  const lock = await refuseServer(dataDirectory);
  const copy = await readCopy(dataDirectory);
  refuseMismatch(copy, given, dataDirectory);
  const backup = await wholeLabel(given, dataDirectory);
  await refuseOthers(dataDirectory, backup);
  const tablespaces = await lookAtTablespaces(backup);
  const { walSegmentSize } = copy.control;
  const configured = await configuredIn(dataDirectory);
  const timeline = chosen ?? timelineIn(configured('recovery_target_timeline'));
  const { created, lookedTo, toTarget, required, doubt } = await lookAheadOfCopy({
    timeline,
    backup,
    directory: dataDirectory,
    walSegmentSize,
    clusterDirectory,
    stopBefore,
  });

  const owned: FileOwnership = { owner: ownership.owner, fileMode: ownership.mode, directoryMode: 0o700 };
  const { required: ofControl } = copy.control;
  const needed = greaterParameters(ofControl, required ?? ofControl);
  const isHotStandby = !/^(of|f|n|0)/i.test(configured('hot_standby') ?? 'on');
  const settings: [string, string][] = shortSettings(needed, configured, isHotStandby);
  settings.push(...(await withoutOldCommands(dataDirectory, configured)));
  if (chosen !== undefined && stopBefore === undefined)
    settings.push(['recovery_target_timeline', String(chosen)]);
  if (stopBefore !== undefined)
    await setTarget({ directory: dataDirectory, lsn: stopBefore, timeline, settings, endCommand, owned });
  const files = await writeLabelFiles(dataDirectory, backup, ownership);
  if (stopBefore !== undefined) await requestRecovery(dataDirectory, owned);
  const removed = lock === 'stale' ? join(dataDirectory, 'postmaster.pid') : undefined;
  if (removed !== undefined) await rm(removed, { force: true });
  return { files, removed, tablespaces, created, settings, lookedTo: toTarget ? undefined : lookedTo, doubt };
}

/** The timeline of a setting; PostgreSQL's default is latest. */
function timelineIn(setting: string | undefined): RecoveryTargetTimeline {
  try {
    return parseTimeline(setting ?? 'latest');
  } catch {
    return 'latest';
  }
}

/**
 * Sets a recovery target in postgresql.auto.conf, which overrides the targets in the configuration of the
 * copy. Without recovery.signal, PostgreSQL ignores recovery targets.
 */
async function setTarget({
  directory,
  lsn,
  timeline,
  settings,
  endCommand,
  owned,
}: Pick<PlacedLabel, 'settings'> & {
  directory: string;
  lsn: bigint;
  timeline: RecoveryTargetTimeline;
  endCommand: string;
  owned: FileOwnership;
}): Promise<void> {
  const target = targetSettings({
    target: { kind: 'lsn', lsn, exclusive: true },
    timeline,
    action: 'promote',
  });
  // The program in recovery_end_command takes the target out again.
  const all = new Map([...settings, ['recovery_end_command', endCommand] as const, ...target]);
  await addToAutoConf({ directory, settings: [...all], comment: 'holdfast place', owned });
}

async function requestRecovery(directory: string, owned: FileOwnership): Promise<void> {
  await writeOwned(join(directory, 'recovery.signal'), Buffer.alloc(0), owned, { sync: true });
  await fsyncDirectory(directory);
}

async function directoryStats(dataDirectory: string): Promise<Stats> {
  return stat(dataDirectory).catch((error: unknown) => {
    throw notADataDirectory(dataDirectory, messageOf(error));
  });
}

function requireDirectory(dataDirectory: string, stats: Stats): void {
  if (!stats.isDirectory()) throw notADataDirectory(dataDirectory, 'it is a file');
}

async function readCopy(dataDirectory: string): Promise<CopyToMatch> {
  const read = (name: string) =>
    beside(join(dataDirectory, name), (file) => readSmallFile(file, { flags: noFollow })).catch(
      (error: unknown) => {
        throw notADataDirectory(dataDirectory, messageOf(error));
      },
    );
  const major = Number.parseInt((await read('PG_VERSION')).toString('latin1'), 10);
  const bytes = await read('global/pg_control');
  try {
    return { major, control: parseControlFile(bytes) };
  } catch (error) {
    const file = join(dataDirectory, 'global/pg_control');
    throw (
      unsupportedFormat(error, file) ??
      new HoldfastError('failed', `"${file}" cannot be used: ${messageOf(error)}`, {
        code: 'copy_unusable',
        hint: 'restore the copy again, or take it from another backup',
        cause: error,
      })
    );
  }
}

function refuseMismatch(copy: CopyToMatch, backup: LabelledBackup, dataDirectory: string): void {
  const { id, label } = backup.description;
  const reason = labelMismatch(copy, backup.description, parseBackupLabel(backup.label));
  if (reason === undefined) return;
  throw new HoldfastError(
    'failed',
    `"${dataDirectory}" is not a copy of backup ${id} "${label}": ${reason}`,
    {
      code: 'copy_mismatch',
      hint: 'find the backup that was running while the copy was made: "holdfast status --all", or the label directory',
    },
  );
}

async function refuseServer(dataDirectory: string): Promise<'none' | 'stale'> {
  const lock = await serverLock(dataDirectory);
  switch (lock.state) {
    case 'none':
    case 'stale':
      return lock.state;
    case 'running':
      throw new HoldfastError('failed', `a server is running on "${dataDirectory}" (process ${lock.pid})`, {
        code: 'server_running',
        hint: 'restore the copy again, and put the label into it before it is started',
      });
    case 'unclear':
      throw new HoldfastError(
        'failed',
        `"${dataDirectory}" has a postmaster.pid of process ${lock.pid}, which ${lock.alive ? 'is alive' : 'may run in another container'}`,
        {
          code: 'server_running',
          hint: 'make sure that it is no server on this directory, remove postmaster.pid, and try again',
        },
      );
  }
}

async function lookAtTablespaces({
  description,
  tablespaceMap,
}: LabelledBackup): Promise<PlacedLabel['tablespaces']> {
  const mapped =
    tablespaceMap === null
      ? []
      : parseTablespaceMap(tablespaceMap, Number.parseInt(description.serverVersion, 10));
  return Promise.all(
    mapped.map(async ({ oid, location }) => {
      const exists = await access(location).then(
        () => true,
        () => false,
      );
      return { oid, location: location.toString(), exists };
    }),
  );
}

/**
 * Owner and mode for the new files: the owner of the directory, and group access if the directory has group
 * access.
 */
function ownershipIn(dataDirectory: string, { uid, gid, mode }: Stats): Ownership {
  const us = process.getuid?.();
  if (us !== undefined && us !== 0 && us !== uid) {
    throw new HoldfastError('failed', `"${dataDirectory}" belongs to another user (${uid})`, {
      code: 'wrong_user',
      hint: 'run this as that user, or as root: the server must be able to read what is put there',
    });
  }
  return { mode: (mode & 0o050) === 0o050 ? 0o640 : 0o600, owner: us === 0 ? { uid, gid } : undefined };
}

function notADataDirectory(path: string, reason: string): HoldfastError {
  return new HoldfastError('failed', `"${path}" is not a PostgreSQL data directory: ${reason}`, {
    code: 'not_a_data_directory',
    hint: 'give the directory that the copy was restored to, with PG_VERSION and global/pg_control in it',
  });
}
