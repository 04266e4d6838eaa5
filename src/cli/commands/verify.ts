/** `holdfast verify`: reads backups of the repository completely, with the WAL that they need. */
import { basename, join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Config } from '../../config/config.ts';
import { recordVerification, type Verification } from '../../control/verification-records.ts';
import type { Connection } from '../../database/connection.ts';
import { HoldfastError } from '../../errors.ts';
import { findInRepository } from '../../recovery/resolve-backup.ts';
import {
  requireCatalog,
  type Catalog,
  type DamagedBackup,
  type StoredBackup,
} from '../../repository/catalog.ts';
import { verifyBackup } from '../../verify/verify-backup.ts';
import { plain } from '../../plain.ts';
import { bytes, count, seconds } from '../render/format.ts';
import { type GlobalOptions, addJobsOption, clusterOption, configFrom, ofOneCluster } from '../options.ts';
import { recordResult, requireRecordable } from '../record-result.ts';
import { printJson, printLines } from '../render/output.ts';
import { paint } from '../render/paint.ts';
import { ProgressLine } from '../render/progress-line.ts';

interface Options extends GlobalOptions {
  all: boolean;
  cluster: string;
  repository?: string;
  jobs: number;
  record: boolean;
}

interface Verified {
  name: string;
  /** The id of the request; undefined if the backup's description cannot be read. */
  id: number | undefined;
  result: Verification;
  /** Whether the control database has the result. */
  recorded: boolean;
}

/** Adds `holdfast verify` to the program. */
export function addVerify(program: Command): void {
  const command = program
    .command('verify')
    .description(
      'verify backups of the repository, wholly, with the WAL that they need; exits with 1 where one is damaged',
    )
    .argument('[backups...]', 'their ids, names or directories')
    .option('--all', 'all that the cluster has', false)
    .option(...clusterOption('whose backups'))
    .option('--repository <directory>', 'where they are (default: HOLDFAST_REPOSITORY, [worker] repository)');
  addJobsOption(command)
    .option('--no-record', 'leave backup_verification in the control database alone')
    .action(async (which: string[], _: object, self: Command) => {
      const options = ofOneCluster(self.optsWithGlobals<Options>());
      const config = configFrom(options);
      const directory = join(resolve(options.repository ?? config.worker.repository), options.cluster);
      const { backups, damaged } = await chosen(directory, which, options.all);
      if (options.record) await requireRecordable(config, 'verify');
      const verified = damaged.map(damagedDescription);
      if (options.json !== true) await printLines(verified.flatMap(described));
      for (const backup of backups) {
        const one = await verifyOne(backup, directory, options, config);
        if (options.json !== true) await printLines(described(one));
        verified.push(one);
      }
      if (options.json === true) await printJson(verified.map(asJson));
      else if (verified.length === 0) await printLines([`no backups in ${plain(directory)}`]);
      if (verified.some(({ result }) => result.problems.length > 0)) process.exitCode = 1;
    });
}

async function chosen(
  directory: string,
  which: readonly string[],
  all: boolean,
): Promise<Pick<Catalog, 'backups' | 'damaged'>> {
  if (all !== (which.length === 0)) {
    throw new HoldfastError('usage', 'give the backups to verify, or --all', {
      code: 'which_backup',
      hint: 'list the backups with "holdfast restore --list"',
    });
  }
  if (all) return requireCatalog(directory);
  return { backups: await Promise.all(which.map((one) => findInRepository(directory, one))), damaged: [] };
}

async function verifyOne(
  backup: StoredBackup,
  clusterDirectory: string,
  options: Options,
  config: Config,
): Promise<Verified> {
  const name = basename(backup.directory);
  const progress = new ProgressLine(`verifying ${name}`);
  const result = await verifyBackup({
    backup,
    clusterDirectory,
    jobs: options.jobs,
    onProgress: (done, expected) => progress.show(done, expected),
  }).finally(() => progress.end());
  const { id, systemIdentifier, startLsn, timeline } = backup.description;
  const found = {
    ...result,
    id,
    cluster: options.cluster,
    systemIdentifier,
    startLsn,
    timeline,
    backup: name,
  };
  const record = async (db: Connection) => {
    await recordVerification(db, found);
    return true;
  };
  const about = { cluster: options.cluster, clusterDirectory, backup: backup.directory };
  const recorded = options.record && (await recordResult(config, 'verify', about, record)) === true;
  return { name, id, result, recorded };
}

/** The result for a backup that cannot be listed: damaged. */
function damagedDescription({ name, problem }: DamagedBackup): Verified {
  const now = new Date();
  const result = { startedAt: now, finishedAt: now, problems: [problem], files: 0, bytes: 0, segments: 0 };
  return { name, id: undefined, result, recorded: false };
}

function described({ name, result }: Verified): string[] {
  const { problems, files, bytes: amount, segments, startedAt, finishedAt } = result;
  const took = seconds((finishedAt.getTime() - startedAt.getTime()) / 1000);
  if (problems.length === 0)
    return [
      `${name}: ${paint('sound', 'green')}: ${count(files, 'file')}, ${bytes(amount)}, ${count(segments, 'WAL segment')}, in ${took}`,
    ];
  return [
    `${name}: ${paint('damaged', 'red')}: ${count(problems.length, 'problem')}`,
    ...problems.map((problem) => `  ${plain(problem)}`),
  ];
}

function asJson({ name, id, result, recorded }: Verified): object {
  const { startedAt, finishedAt, problems, files, bytes: amount, segments } = result;
  return {
    backup: name,
    id: id ?? null,
    ok: problems.length === 0,
    problems,
    files,
    bytes: amount,
    segments,
    started_at: startedAt.toISOString(),
    finished_at: finishedAt.toISOString(),
    recorded,
  };
}
