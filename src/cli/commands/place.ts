/** `holdfast place`: puts the label of a backup into a restored copy of the data directory. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { LabelledBackup } from '../../labels/labelled-backup.ts';
import { parseLsn, formatLsn } from '../../postgres/lsn.ts';
import { lookedToVariable, nothing } from '../../repository/examined-wal.ts';
import { leaseVariable } from '../../repository/renew-lease.ts';
import { bytePathBelow } from '../../system/byte-path.ts';
import { labelIn } from '../../labels/find-label.ts';
import { leaseCopy } from '../../labels/lease-copy.ts';
import { placeLabel, type PlacedLabel } from '../../labels/place-label.ts';
import { plain } from '../../plain.ts';
import { configurationIsMissing, startCommand } from '../../restore/start-command.ts';
import { recoveryTargetParsers } from '../../recovery/recovery-target-options.ts';
import type { RecoveryTargetTimeline } from '../../recovery/recovery-target.ts';
import { addWhere, backupById, type WhereOptions } from './label.ts';
import { configFrom, idOption } from '../options.ts';
import { endCommand } from '../../recovery/recovery-commands.ts';
import { installedProgram } from '../installed-program.ts';
import { unleased } from '../render/unleased.ts';
import { printJson, printLines } from '../render/output.ts';
import { refusing } from '../target-options.ts';

interface Options extends WhereOptions {
  dataDirectory: string;
  repository?: string;
  stopBefore?: bigint;
  targetTimeline?: RecoveryTargetTimeline;
}

/** Adds `holdfast place` to the program. */
export function addPlace(program: Command): void {
  const command = program
    .command('place')
    .description(
      "put a backup's label and map into a restored copy of the data directory, if they belong together",
    )
    .argument('<backup>', "the backup's id, or its directory in the label directory or the repository")
    .requiredOption('--data-directory <directory>', 'the restored copy')
    .option(
      '--repository <directory>',
      'whose WAL is looked through (default: HOLDFAST_REPOSITORY, [worker] repository)',
    )
    .option(
      '--stop-before <lsn>',
      'have recovery end just before this place in the WAL: it is set in postgresql.auto.conf, with recovery.signal',
      refusing(parseLsn),
    )
    .option(
      '--target-timeline <timeline>',
      'the timeline that recovery follows: latest, current (of the backup), or its number (default: as the copy is configured)',
      refusing(recoveryTargetParsers.targetTimeline),
    )
    .action(async (which: string, _: object, self: Command) => {
      const options = self.optsWithGlobals<Options>();
      const backup = await find(which, options);
      const repository =
        options.repository ?? options.fromRepository ?? configFrom(options).worker.repository;
      const clusterDirectory = join(repository, backup.description.cluster);
      const { dataDirectory, stopBefore, targetTimeline: timeline } = options;
      const placed = await placeLabel(backup, dataDirectory, {
        clusterDirectory,
        stopBefore,
        timeline,
        endCommand: endCommand(installedProgram),
      });
      const lease = await leaseCopy(backup, resolve(dataDirectory), clusterDirectory);
      if (lease?.problem !== undefined)
        process.stderr.write(`holdfast: warning: ${unleased(lease.problem)}\n`);
      if (placed.doubt !== undefined) process.stderr.write(`holdfast: warning: ${placed.doubt}\n`);
      const name = lease?.problem === undefined ? lease?.name : undefined;
      if (options.json === true) await printJson({ ...asJson(backup, placed), lease: name ?? null });
      else
        await printLines([
          ...described(backup, placed, stopBefore),
          ...leased(name),
          ...(await startOf(backup, dataDirectory)),
        ]);
    });
  addWhere(command);
}

async function find(which: string, options: Options): Promise<LabelledBackup> {
  return /^\d+$/.test(which) ? backupById(idOption(which), options, 'place') : labelIn(which);
}

function asJson(
  { description, source }: LabelledBackup,
  { files, removed, tablespaces, created, settings, lookedTo, doubt }: PlacedLabel,
): object {
  const { id, startWal, stopWal } = description;
  return {
    id,
    source,
    files,
    removed: removed ?? null,
    tablespaces,
    created: created.map(({ oid, location, lsn }) => ({
      oid,
      location: bytePathBelow(location, '').toString(),
      lsn: formatLsn(lsn),
    })),
    settings: Object.fromEntries(settings),
    looked_to: lookedTo ?? null,
    warnings: doubt === undefined ? [] : [doubt],
    start_wal: startWal,
    stop_wal: stopWal,
  };
}

function described(
  { description }: LabelledBackup,
  { files, removed, tablespaces, created, settings, lookedTo }: PlacedLabel,
  stopBefore: bigint | undefined,
): string[] {
  const needed = tablespaces.map(
    ({ oid, location, exists }) =>
      `  the copy of tablespace ${oid} in ${plain(location)}, and no server's own there${exists ? '' : ' (there is nothing yet)'}`,
  );
  const later = created.map(
    ({ oid, location, lsn }) =>
      `  an empty directory ${plain(bytePathBelow(location, '').toString())}, in which recovery creates tablespace ${oid} at ${formatLsn(lsn)}`,
  );
  const others = (stopBefore === undefined ? settings : []).map(neededSetting);
  const signal =
    stopBefore === undefined ? ', and create recovery.signal' : ` (it ends before ${formatLsn(stopBefore)})`;
  return [
    ...files.map((file) => `in place: ${file}`),
    ...(removed === undefined ? [] : [`removed: ${removed} (it came along with the copy)`]),
    'before its first start, the server needs:',
    ...needed,
    ...later,
    ...others,
    `  the WAL from ${description.startWal} to ${description.stopWal}: set restore_command${signal}`,
    ...looked(lookedTo),
  ];
}

function neededSetting([name, value]: [string, string]): string {
  if (value === '')
    return `  ${name} = '' in its configuration: that of the old server would run on the archive, or as after a failover`;
  return name === 'recovery_target_timeline'
    ? `  ${name} = '${value}' in its configuration`
    : `  ${name} = ${value} or more in its configuration, as in the WAL: recovery would stop there`;
}

/**
 * How to start the server beside the old one. Where the old server had its data is not known here.
 */
async function startOf({ description }: LabelledBackup, dataDirectory: string): Promise<string[]> {
  const directory = resolve(dataDirectory);
  const major = Number.parseInt(description.serverVersion, 10);
  const start = { directory, backup: { ...description, dataDirectory: directory } };
  return [
    `then start PostgreSQL ${major} on it, beside the old server for example: ${plain(await startCommand(start))}`,
    ...(configurationIsMissing(start)
      ? ['  for FILE give its postgresql.conf, which is not in the copy']
      : []),
    '  with archive_mode = off in its postgresql.auto.conf, until the old server is gone: both would archive to one place',
  ];
}

/** Until when an expiry keeps the WAL that the server is going to read. */
function leased(name: string | undefined): string[] {
  if (name === undefined) return [];
  return [
    'an expiry keeps the WAL from there on until recovery is over, for seven days at most; for as long as it takes,',
    `  with ${leaseVariable}=${name} before "holdfast-wal fetch" in restore_command`,
  ];
}

/**
 * How far the WAL was searched for tablespaces that recovery creates. The operator's own restore_command does
 * not examine later WAL.
 */
function looked(lookedTo: string | undefined): string[] {
  if (lookedTo === undefined)
    return ['looked through for tablespaces that recovery creates: the WAL up to where it ends'];
  const what = lookedTo === nothing ? 'no WAL, as none was found' : `the WAL up to ${lookedTo}`;
  return [
    `looked through for tablespaces that recovery creates: ${what}; not what comes later, where recovery would take over`,
    `  a directory of another server on this host: have "holdfast-wal fetch" look, with ${lookedToVariable}=${lookedTo} before it in restore_command`,
  ];
}
