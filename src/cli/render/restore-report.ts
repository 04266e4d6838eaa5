/** The output of `holdfast restore` after a restore: the location of the files, and the next steps. */
import { join } from 'node:path';
import type { RepositoryBackup } from '../../repository/repository-backup.ts';
import { entryName } from '../../repository/backup-name.ts';
import type { RestorePlan } from '../../recovery/resolve-backup.ts';
import { bytePathBelow } from '../../system/byte-path.ts';
import type { AheadFindings } from '../../recovery/look-ahead.ts';
import type { RecoveryChoice } from '../../recovery/recovery-settings.ts';
import { formatRecoveryTarget } from '../../recovery/recovery-target.ts';
import type { RestoreOutline } from '../../restore/prepare-restore.ts';
import type { Restored } from '../../restore/restore-backup.ts';
import {
  configurationIsMissing,
  startCommand,
  usualStart,
  type StartOptions,
} from '../../restore/start-command.ts';
import { plain } from '../../plain.ts';
import { bytes, count } from './format.ts';

/** A restore, or what it would be. */
interface RestoreFacts {
  choice: RestorePlan;
  restored: Restored | RestoreOutline;
  directory: string;
  /** The directory of pg_wal; undefined if pg_wal is in the data directory. */
  wal: string | undefined;
  dryRun: boolean;
}

/** The data to show. */
export interface RestoreReport extends RestoreFacts {
  /** The directory of PostgreSQL's programs; undefined if neither given nor found. */
  programs: string | undefined;
  recovery: RecoveryChoice;
  ahead: AheadFindings;
}

/** The report for `--json`. */
export function restoreAsJson({ choice, restored, directory, wal, dryRun }: RestoreFacts): object {
  const { backup, warnings } = choice;
  const { tablespaces, ...amount } = restored;
  const { id, cluster, serverVersion, stopLsn } = backup.description;
  return {
    id,
    backup: entryName(backup.description),
    cluster,
    directory,
    server_version: serverVersion,
    consistent_at: stopLsn,
    ...amount,
    tablespaces: tablespaces.map(({ oid, location }) => ({
      oid,
      location: bytePathBelow(location, '').toString(),
    })),
    wal_directory: wal ?? null,
    timeline: choice.path.at(-1)?.timeline ?? null,
    recovery_begins_at: backup.description.startWal,
    goes_on_despite_missing_wal: choice.hasHole || choice.lacksHistory,
    dry_run: dryRun,
    warnings,
  };
}

/** The report as text. */
export async function describeBackup({
  choice,
  restored,
  directory,
  wal,
  programs,
  recovery,
  ahead,
}: RestoreReport): Promise<string[]> {
  const { description } = choice.backup;
  const start = { directory, backup: description, programs };
  const { files, bytes: amount, tablespaces } = restored;
  const major = Number.parseInt(description.serverVersion, 10);
  return [
    `backup ${entryName(description)} of cluster ${description.cluster} is restored: ${count(files, 'file')}, ${bytes(amount)}`,
    ...whereTablespacesAre(tablespaces),
    ...whereWalIs(description, wal),
    'what to do next:',
    ...inPlace(start),
    `  start PostgreSQL ${major} on it, for example: ${plain(await startCommand(start))}`,
    ...(configurationIsMissing(start)
      ? ['  for FILE give its postgresql.conf, which was not in the backup']
      : []),
    ...(await whatFollows(recovery, start)),
    `  ${whoArchives(recovery.noArchiving, recovery.standby ? undefined : choice.nextTimeline)}`,
    '  if Holdfast\'s control database is in it: schedules, requests and expiries of that database rest there until "holdfast adopt"',
    ...creations(ahead).map((line) => `  ${line}`),
  ];
}

function inPlace(start: StartOptions): string[] {
  const usual = usualStart(start);
  if (usual === undefined) return [];
  return [`  start PostgreSQL ${plain(usual)}; to look at it first, where its clients do not:`];
}

/** What a restore would do, as text. */
export function describeOutline({
  choice,
  restored,
  directory,
  wal,
  recovery,
  ahead,
}: Omit<RestoreReport, 'programs'>): string[] {
  const { description } = choice.backup;
  const links = description.incremental?.links ?? 0;
  const { files, bytes: amount, tablespaces } = restored;
  const much = links === 0 ? bytes(amount) : `up to ${bytes(amount)}, from a chain of ${links + 1} backups`;
  const { timeline } = choice.path.at(-1) ?? description;
  return [
    `backup ${entryName(description)} of cluster ${description.cluster} would be restored to ${plain(directory)}: ${count(files, 'file')}, ${much}`,
    ...whereTablespacesAre(tablespaces),
    ...whereWalIs(description, wal),
    `recovery goes to ${whither(recovery)} on timeline ${timeline}, and reads WAL from ${description.startWal} on`,
    ...creations(ahead),
    whoArchives(recovery.noArchiving, recovery.standby ? undefined : choice.nextTimeline),
    'nothing was written: restore without --dry-run',
  ];
}

function whereTablespacesAre(tablespaces: RestoreOutline['tablespaces']): string[] {
  return tablespaces.map(
    ({ oid, location }) => `tablespace ${oid}: ${plain(bytePathBelow(location, '').toString())}`,
  );
}

function whither({ standby, target }: RecoveryChoice): string {
  if (standby) return 'where its primary is,';
  if (target.kind === 'latest') return 'the end of the archived WAL';
  return target.kind === 'immediate' ? 'the end of the backup' : formatRecoveryTarget(target);
}

function creations({ created }: AheadFindings): string[] {
  return created.map(
    ({ oid, location }) =>
      `recovery creates tablespace ${oid} in ${plain(bytePathBelow(location, '').toString())}`,
  );
}

/**
 * The location of pg_wal, if pg_wal of the backed-up server or of this server is outside the data directory.
 */
function whereWalIs({ walLinkedTo, dataDirectory }: RepositoryBackup, wal: string | undefined): string[] {
  if (wal !== undefined) return [`pg_wal: ${plain(wal)}`];
  if (walLinkedTo === undefined) return [];
  const had = walLinkedTo === join(dataDirectory, 'pg_wal') ? 'a volume mounted' : 'it';
  return [
    `pg_wal: in the data directory; the backed-up server had ${had} at ${plain(walLinkedTo)}: give --wal-directory to put it on its own volume`,
  ];
}

/**
 * Where the restored server will archive. A restore cannot tell the files of two servers in one repository
 * apart.
 */
function whoArchives(noArchiving: boolean, timeline: number | undefined): string {
  if (noArchiving) return 'it archives nothing: archive_mode is off in its postgresql.auto.conf';
  const where = 'archives where the server did that was backed up, with the same archive_command';
  return timeline === undefined
    ? `once it is promoted, it ${where}`
    : `once it is open, it ${where}, as timeline ${timeline}: the other server must be gone by then, or restore with --no-archiving`;
}

async function whatFollows(
  { standby, target, action }: RecoveryChoice,
  start: StartOptions,
): Promise<string[]> {
  if (standby)
    return [
      `  first set primary_conninfo in ${plain(join(start.directory, 'postgresql.auto.conf'))}, such as primary_conninfo = 'host=PRIMARY user=replicator': without one it follows the archive only`,
    ];
  if (target.kind === 'latest' || action === 'promote')
    return ['  it takes connections once it has recovered, for writing, and none before'];
  if (action === 'pause')
    return [
      '  it answers before it gets to the target, and pauses there: look at it once this says "t": SELECT pg_is_wal_replay_paused()',
      '  SELECT pg_wal_replay_resume() opens it for good',
    ];
  const settings = ['recovery_target_action=promote'];
  return [
    `  it shuts down at the target; this opens it there for good: ${plain(await startCommand({ ...start, settings }))}`,
    '  leave recovery.signal where it is: without it, the server would go on past the target, on the timeline of the old one',
  ];
}
