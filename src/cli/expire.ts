import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Config } from '../config/config.ts';
import { withControl } from '../control/client.ts';
import { createLog } from '../log.ts';
import { expire, type Expiry } from '../retention/expire.ts';
import { bytes, plain } from './format.ts';
import { untilInterrupted } from './interruption.ts';
import { configFrom, controlFrom, type GlobalOptions } from './options.ts';
import { printJson, printLines } from './output.ts';
import { paint } from './paint.ts';

interface Options extends GlobalOptions {
  cluster?: string[];
  repository?: string;
  dryRun: boolean;
  unknown: boolean;
  clockIsRight: boolean;
}

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
      const expiries: Expiry[] = [];
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
): Promise<Expiry> {
  return untilInterrupted(
    (signal) =>
      expire({
        cluster,
        clusterDirectory: join(resolve(repository ?? config.worker.repository), cluster),
        control: (work) => withControl(controlFrom(config, 'expire'), work),
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

function described(expiry: Expiry, dryRun: boolean): string[] {
  const { cluster, policy, gone, stays, wal, finished, problems } = expiry;
  if (policy === undefined)
    return [`cluster ${cluster} has no retention policy that is enabled: nothing expires`];
  const files = wal.filter(({ goes }) => goes).reduce((sum, run) => sum + run.files, 0);
  const [will, freed] = dryRun ? ['would go', ''] : ['gone', `, ${bytes(expiry.bytes)} freed`];
  return [
    `cluster ${cluster}: ${will}: ${count(gone.length, 'backup')} and ${count(files, 'WAL file')}${freed}; ${stays.length} stay`,
    ...finished.map((name) => `  ${name}: ${dryRun ? 'an' : 'finished what an'} earlier expiry had begun`),
    ...gone.map(({ backup, reasons }) => line(paint('goes', 'red'), backup, reasons)),
    ...stays.map(({ backup, reasons }) => line(paint('stays', 'green'), backup, reasons)),
    ...wal.map(
      (run) =>
        `  ${run.goes ? paint('goes', 'red') : paint('stays', 'green')}  WAL ${run.startWal} to ${run.endWal} (${count(run.files, 'file')}): ${plain(run.reason)}`,
    ),
    ...problems.map((problem) => `  ${paint('problem', 'red')}: ${plain(problem)}`),
  ];
}

function line(what: string, { name, label, method }: Expiry['gone'][number]['backup'], reasons: string[]) {
  return `  ${what}  ${name} "${plain(label)}" (${method}): ${plain(reasons.join('; '))}`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function asJson({ cluster, policy, gone, stays, wal, ...rest }: Expiry, dryRun: boolean): object {
  const backup = ({ backup: of, reasons }: Expiry['gone'][number]) => ({
    backup: of.name,
    id: of.id,
    request: of.request,
    label: of.label,
    method: of.method,
    stopped_at: of.stoppedAt.toISOString(),
    reasons,
  });
  const run = ({ goes: _, startWal, endWal, ...others }: Expiry['wal'][number]) => ({
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
