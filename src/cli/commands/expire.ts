/** `holdfast expire`: removes expired backups and their WAL, and shows the reason for each. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Config } from '../../config/config.ts';
import { withControl } from '../../control/control-client.ts';
import { createLog } from '../../log.ts';
import { expireCluster, type ExpiryResult } from '../../retention/expire-cluster.ts';
import { plain } from '../../plain.ts';
import { bytes, count } from '../render/format.ts';
import { untilInterrupted } from '../interruption.ts';
import { configFrom, controlFrom, type GlobalOptions } from '../options.ts';
import { printJson, printLines } from '../render/output.ts';
import { paint } from '../render/paint.ts';

interface Options extends GlobalOptions {
  cluster?: string[];
  repository?: string;
  dryRun: boolean;
  unknown: boolean;
  clockIsRight: boolean;
}

/** Adds `holdfast expire` to the program. */
export function addExpire(program: Command): void {
  program
    .command('expire')
    .description(
      'remove the backups that the retention policy does not keep, and the WAL that only they needed; says why each one goes or stays',
    )
    .option('--dry-run', 'only say what would go, and why', false)
    .option('--cluster <name...>', 'of these clusters (default: those in the configuration, or main)')
    .option('--repository <directory>', 'where they are (default: HOLDFAST_REPOSITORY, [worker] repository)')
    .option('--unknown', 'also backups in the repository that the control database knows nothing of', false)
    .option(
      '--clock-is-right',
      'the clock is right, though nothing is dated for a long time before now, as after the cluster was switched off',
      false,
    )
    .action(async (_: object, command: Command) => {
      const options = command.optsWithGlobals<Options>();
      const config = configFrom(options);
      const clusters = options.cluster ?? config.clusters.map(({ name }) => name);
      const expiries: ExpiryResult[] = [];
      for (const cluster of clusters) {
        const expiry = await expireOne(cluster, options, config);
        if (options.json !== true) await printLines(described(expiry, options.dryRun));
        expiries.push(expiry);
      }
      if (options.json === true) await printJson(expiries.map((one) => asJson(one, options.dryRun)));
      if (expiries.some(({ problems }) => problems.length > 0)) process.exitCode = 1;
    });
}

async function expireOne(
  cluster: string,
  { repository, dryRun, unknown, clockIsRight }: Options,
  config: Config,
): Promise<ExpiryResult> {
  return untilInterrupted(
    (signal) =>
      expireCluster({
        cluster,
        clusterDirectory: join(resolve(repository ?? config.worker.repository), cluster),
        control: (work) =>
          withControl(
            controlFrom(config, 'expire'),
            work,
            dryRun ? undefined : `"${config.control.schema}_worker" (or only look, with --dry-run)`,
          ),
        dryRun,
        unknown,
        clockIsRight,
        deleteCommand: config.clusters.find(({ name }) => name === cluster)?.deleteCommand,
        log: createLog({ level: 'error' }),
        signal,
      }),
    'interrupted: the next expiry goes on',
  );
}

function described(expiry: ExpiryResult, dryRun: boolean): string[] {
  const { cluster, policy, gone, stays, wal, finished, relisted, problems } = expiry;
  if (policy === undefined)
    return [`cluster ${cluster} has no retention policy that is enabled: nothing expires`];
  const files = wal.filter(({ goes }) => goes).reduce((sum, run) => sum + run.files, 0);
  const going = [...some(gone.length, 'backup'), ...some(files, 'WAL file')].join(' and ') || 'nothing';
  const goes = dryRun
    ? `${going} would go`
    : `${going} ${gone.length + files > 1 ? 'are' : 'is'} gone, ${bytes(expiry.bytes)} freed`;
  const what = paint(dryRun ? 'goes' : 'gone', 'red');
  return [
    `cluster ${cluster}: ${goes}; ${count(stays.length, 'backup')} ${stays.length === 1 ? 'stays' : 'stay'}`,
    ...finished.map((name) => `  ${name}: ${dryRun ? 'an' : 'finished what an'} earlier expiry had begun`),
    ...relisted.map(
      ({ backup, reasons }) =>
        `  ${backup}: an earlier expiry had begun with it, and it ${dryRun ? 'would be' : 'is'} back on the list: ${plain(reasons.join('; '))}`,
    ),
    ...gone.map(({ backup, reasons }) => line(what, backup, reasons)),
    ...stays.map(({ backup, reasons }) => line(paint('stays', 'green'), backup, reasons)),
    ...wal.map((run) => `  ${run.goes ? what : paint('stays', 'green')}  ${runLine(run)}`),
    ...problems.map((problem) => `  ${paint('problem', 'red')}: ${plain(problem)}`),
  ];
}

function runLine({ startWal, endWal, files, segments, reason }: ExpiryResult['wal'][number]): string {
  const range = startWal === endWal ? startWal : `${startWal} to ${endWal}`;
  const parts = [...some(segments, 'segment'), ...some(files - segments, 'other file')].join(' and ');
  return `WAL ${range} (${parts}): ${plain(reason)}`;
}

/** The number and its noun, or nothing for zero. */
function some(number: number, what: string): string[] {
  return number === 0 ? [] : [count(number, what)];
}

function line(
  what: string,
  { name, label, method }: ExpiryResult['gone'][number]['backup'],
  reasons: string[],
) {
  return `  ${what}  ${name} "${plain(label)}" (${method}): ${plain(reasons.join('; '))}`;
}

function asJson({ cluster, policy, gone, stays, wal, ...rest }: ExpiryResult, dryRun: boolean): object {
  const backup = ({ backup: of, reasons }: ExpiryResult['gone'][number]) => ({
    backup: of.name,
    id: of.id,
    request: of.request,
    label: of.label,
    method: of.method,
    stopped_at: of.stoppedAt.toISOString(),
    reasons,
  });
  const run = ({ goes: _, startWal, endWal, ...others }: ExpiryResult['wal'][number]) => ({
    start_wal: startWal,
    end_wal: endWal,
    ...others,
  });
  return {
    cluster,
    dry_run: dryRun,
    policy: policy === undefined ? null : (JSON.parse(policy) as unknown),
    goes: gone.map(backup),
    stays: stays.map(backup),
    wal_goes: wal.filter(({ goes }) => goes).map(run),
    wal_stays: wal.filter(({ goes }) => !goes).map(run),
    ...rest,
  };
}
