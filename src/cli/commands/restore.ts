/**
 * `holdfast restore`: restores a backup of the repository into an empty directory, and prepares its recovery; with
 * `--dry-run`, says what it would do.
 */
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { HoldfastError } from '../../errors.ts';
import { entryName } from '../../repository/backup-name.ts';
import { leaseName } from '../../repository/lease.ts';
import { withChainLock } from '../../repository/stored-chain.ts';
import { resolveBackup, type RestorePlan } from '../../recovery/resolve-backup.ts';
import { refuseInRepository } from '../../restore/destination.ts';
import { clusterOwner } from '../../extraction/cluster-owner.ts';
import { lookAhead, type AheadFindings } from '../../recovery/look-ahead.ts';
import { endCommand, fetchCommand } from '../../recovery/recovery-commands.ts';
import type { RecoveryChoice } from '../../recovery/recovery-settings.ts';
import { outlineRestore } from '../../restore/prepare-restore.ts';
import { restoreBackup } from '../../restore/restore-backup.ts';
import { findPrograms } from '../../drill/server-programs.ts';
import { refuseOtherVersion } from '../../restore/server-version.ts';
import { readFrames } from '../../repository/backup-inventory.ts';
import type { RecoveryTarget } from '../../recovery/recovery-target.ts';
import { recoveryTargetFrom } from '../../recovery/recovery-target-options.ts';
import { type GlobalOptions, addJobsOption, clusterOption, configFrom, ofOneCluster } from '../options.ts';
import { installedProgram } from '../installed-program.ts';
import { printJson, printLines } from '../render/output.ts';
import { ProgressLine } from '../render/progress-line.ts';
import { printBackupList } from '../render/backup-list.ts';
import { describeBackup, describeOutline, restoreAsJson } from '../render/restore-report.ts';
import { unleased } from '../render/unleased.ts';
import { addTargetOptions, type TargetCommandOptions } from '../target-options.ts';

interface Options extends GlobalOptions, TargetCommandOptions {
  to?: string;
  list: boolean;
  cluster: string;
  repository?: string;
  /** The new directories of tablespaces, by OID. */
  tablespace: Map<string, string>;
  tablespacesAsTheyWere: boolean;
  walDirectory?: string;
  asStandby: boolean;
  restoreCommand?: string;
  archiving: boolean;
  pgBin?: string;
  despiteMissingWal: boolean;
  dryRun: boolean;
  jobs: number;
}

/** Adds `holdfast restore` to the program. */
export function addRestore(program: Command): void {
  const command = program
    .command('restore')
    .description('restore a backup of the repository into an empty directory; no server is started')
    .argument('[backup]', 'its id, name or directory (default: the right one for the target)')
    .option('--to <directory>', 'the new data directory: empty, or not there yet')
    .option('--list', 'only show what backups there are', false)
    .option(...clusterOption('whose backups'))
    .option('--repository <directory>', 'where they are (default: HOLDFAST_REPOSITORY, [worker] repository)');
  addTargetOptions(command);
  command
    .addOption(
      new Option('--tablespace <oid=directory...>', 'put this tablespace there')
        .argParser(tablespaceOption)
        .default(new Map(), 'none'),
    )
    .option(
      '--tablespaces-as-they-were',
      'put the others where they were, as root, too, and have recovery create those that came later',
      false,
    )
    .option(
      '--wal-directory <directory>',
      'put pg_wal there, behind a link, as initdb --waldir does: an absolute path, empty, or not there yet',
      walDirectoryOption,
    )
    .option('--as-standby', 'make a standby of it, which follows its primary', false)
    .option('--restore-command <command>', 'another restore_command than "holdfast-wal fetch"')
    .option('--no-archiving', 'have the restored server archive nothing')
    .option('--pg-bin <directory>', 'the programs of the server that it is for: another version is refused')
    .option(
      '--dry-run',
      'only say what would be restored, and where; refuse what a restore would refuse',
      false,
    )
    .option('--despite-missing-wal', 'go on where WAL is known to be missing', false);
  addJobsOption(command).action(async (which: string | undefined, _: object, self: Command) => {
    const options = ofOneCluster(self.optsWithGlobals<Options>());
    const config = configFrom(options);
    const repository = resolve(options.repository ?? config.worker.repository);
    if (options.list) return printBackupList(join(repository, options.cluster), options.json === true);
    await run(which, options, repository);
  });
}

async function run(which: string | undefined, options: Options, repository: string): Promise<void> {
  if (options.to === undefined) {
    throw new HoldfastError('usage', 'give the directory to restore to', {
      code: 'no_destination',
      hint: 'give --to DIR, which is empty or not there yet',
    });
  }
  const directory = resolve(options.to);
  const written = [directory, options.walDirectory, ...options.tablespace.values()];
  await refuseInRepository(written, repository);
  const target = wantedTarget(options);
  const choice = await resolveBackup({
    clusterDirectory: join(repository, options.cluster),
    which,
    target,
    timeline: options.targetTimeline,
    despiteMissingWal: options.despiteMissingWal,
    hasOtherWal: options.asStandby || options.restoreCommand !== undefined,
  });
  const elsewhere = dirname(choice.backup.directory);
  if (basename(elsewhere) === 'backups') await refuseInRepository(written, dirname(elsewhere));
  for (const warning of choice.warnings) process.stderr.write(`holdfast: warning: ${warning}\n`);
  await refuseOtherVersion(choice.backup.description, directory, await programsFrom(options, choice));

  const lease = leaseName(directory, entryName(choice.backup.description));
  const ahead = await aheadOf({ ...options, to: directory }, repository, target, choice);
  const recovery = recoveryFrom(options, { repository, lease, lookedTo: ahead.lookedTo }, target, choice);
  const places = {
    backup: choice.backup,
    directory,
    moved: options.tablespace,
    asWere: options.tablespacesAsTheyWere,
    walDirectory: options.walDirectory,
  };
  if (options.dryRun) {
    const restored = await outlineRestore(places);
    const outline = { choice, restored, directory, wal: places.walDirectory, dryRun: true };
    if (options.json === true) await printJson(restoreAsJson(outline));
    else await printLines(describeOutline({ ...outline, recovery, ahead }));
    return;
  }
  const finding = options.pgBin ?? findPrograms(choice.backup, undefined).catch(() => undefined);
  const progress = new ProgressLine(`restoring backup ${choice.backup.description.id}`);
  const restored = await restoreBackup({
    ...places,
    recovery,
    required: ahead.required,
    fromBackup: choice.fromBackup,
    jobs: options.jobs,
    lease: { clusterDirectory: leasedIn(options, repository, choice), name: lease },
    onProgress: (done, expected) => progress.show(done, expected),
  }).finally(() => progress.end());
  if (restored.leaseProblem !== undefined)
    process.stderr.write(`holdfast: warning: ${unleased(restored.leaseProblem)}\n`);
  const wal = options.walDirectory;
  const programs = await finding;
  const report = { choice, restored, directory, wal, programs, recovery, ahead, dryRun: false };
  if (options.json === true) await printJson(restoreAsJson(report));
  else await printLines(await describeBackup(report));
}

/**
 * The directory of the cluster whose WAL the server will fetch. With another restore_command, that directory
 * is unknown: the lease is then on the repository that contains the backup, which may be a copy elsewhere.
 */
function leasedIn({ restoreCommand, cluster }: Options, repository: string, { backup }: RestorePlan): string {
  return restoreCommand === undefined ? join(repository, cluster) : dirname(dirname(backup.directory));
}

/** Finds out, before any file is written, what recovery is going to do outside the data directory. */
async function aheadOf(
  options: Options & { to: string },
  repository: string,
  target: RecoveryTarget,
  choice: RestorePlan,
): Promise<AheadFindings> {
  return withChainLock(choice.backup, () =>
    lookAhead({
      choice,
      clusterDirectory: join(repository, options.cluster),
      target,
      directory: options.to,
      moved: options.tablespace,
      standby: options.asStandby,
      asWere: options.tablespacesAsTheyWere,
      despiteMissingWal: options.despiteMissingWal,
    }),
  );
}

/** The programs of `--pg-bin`. Root runs these programs as the user that will run the server. */
async function programsFrom({ pgBin }: Options, { backup }: RestorePlan) {
  if (pgBin === undefined) return undefined;
  const user = process.getuid?.() === 0 ? clusterOwner(backup, await readFrames(backup)) : undefined;
  return { directory: pgBin, user };
}

function wantedTarget(options: Options): RecoveryTarget {
  const target = recoveryTargetFrom(options);
  if (options.asStandby && target.kind !== 'latest') {
    throw new HoldfastError('usage', 'a standby has no target: it follows its primary', {
      code: 'which_target',
    });
  }
  return target;
}

function recoveryFrom(
  options: Options,
  { repository, lease, lookedTo }: { repository: string; lease: string; lookedTo: string },
  target: RecoveryTarget,
  choice: RestorePlan,
): RecoveryChoice {
  const fetch = fetchCommand({
    ...installedProgram,
    repository,
    cluster: options.cluster,
    despiteMissingWal: choice.hasHole || choice.lacksHistory || options.despiteMissingWal,
    // A standby never ends its recovery: its lease expires after a week.
    lease: options.asStandby ? undefined : lease,
    lookedTo,
  });
  return {
    target,
    timeline: options.targetTimeline,
    action: options.targetAction,
    standby: options.asStandby,
    restoreCommand: options.restoreCommand ?? fetch,
    endCommand: endCommand(installedProgram),
    noArchiving: !options.archiving,
  };
}

/** Parses `OID=DIRECTORY`. The option may be repeated. */
function tablespaceOption(text: string, before: Map<string, string>): Map<string, string> {
  const [, oid, directory] = /^(\d+)=(.+)$/s.exec(text) ?? [];
  if (oid === undefined || directory === undefined)
    throw new InvalidArgumentError('it is not of the form OID=DIRECTORY');
  if (before.has(oid)) throw new InvalidArgumentError(`tablespace ${oid} is given twice`);
  return new Map([...before, [oid, resolve(directory)]]);
}

function walDirectoryOption(text: string): string {
  if (!isAbsolute(text)) throw new InvalidArgumentError('it is not an absolute path');
  return resolve(text);
}
