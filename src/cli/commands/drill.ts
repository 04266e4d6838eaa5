/**
 * `holdfast drill`: restores a backup, recovers it in a private server, checks the data, and removes the
 * server.
 */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { recordDrill } from '../../control/drill-records.ts';
import type { Connection } from '../../database/connection.ts';
import { type DrillReport } from '../../drill/drill-report.ts';
import { runDrill } from '../../drill/run-drill.ts';
import { planDrill } from '../../drill/drill-plan.ts';
import { recoveryTargetFrom } from '../../recovery/recovery-target-options.ts';
import { plain } from '../../plain.ts';
import { drillAsJson, drillLines } from '../render/drill-result.ts';
import { untilInterrupted } from '../interruption.ts';
import { recordResult, requireRecordable } from '../record-result.ts';
import {
  type GlobalOptions,
  addJobsOption,
  clusterOption,
  configFrom,
  ofOneCluster,
  positiveDurationOption,
} from '../options.ts';
import { printJson, printLines } from '../render/output.ts';
import { ProgressLine } from '../render/progress-line.ts';
import { addPointOptions, type TargetPointOptions } from '../target-options.ts';

interface Options extends GlobalOptions, TargetPointOptions {
  cluster: string;
  repository?: string;
  directory?: string;
  pgBin?: string;
  assertions?: string;
  /** Milliseconds. */
  timeout?: number;
  jobs: number;
  record: boolean;
}

/** Adds `holdfast drill` to the program. */
export function addDrill(program: Command): void {
  const command = program
    .command('drill')
    .description(
      'prove that a backup can be restored: restore it, start a private PostgreSQL on it, check everything, and remove it all',
    )
    .argument('[backup]', 'its id, name or directory (default: the newest that leads to the target)')
    .option(...clusterOption('whose backup'))
    .option('--repository <directory>', 'where it is (default: HOLDFAST_REPOSITORY, [worker] repository)')
    .option(
      '--directory <directory>',
      'where to restore it for that time (default: drill_directory of the cluster)',
    )
    .option('--pg-bin <directory>', "where PostgreSQL's programs are (default: pg_bin of the cluster)")
    .option('--assertions <file>', 'SQL that must be true (default: drill_assertions of the cluster)')
    .option('--timeout <duration>', 'how long it may take (default: drill_timeout)', positiveDurationOption);
  addPointOptions(command);
  addJobsOption(command)
    .option('--no-record', 'leave backup_drill in the control database alone')
    .action(async (which: string | undefined, _: object, self: Command) => {
      await run(which, ofOneCluster(self.optsWithGlobals<Options>()));
    });
}

async function run(which: string | undefined, options: Options): Promise<void> {
  const config = configFrom(options);
  if (options.record) await requireRecordable(config, 'drill');
  const { directory, pgBin, assertions, timeout, jobs } = options;
  const plan = planDrill(config, options.cluster, {
    repository: resolve(options.repository ?? config.worker.repository),
    drillDirectory: directory && resolve(directory),
    programs: pgBin && resolve(pgBin),
    assertions: assertions && resolve(assertions),
    timeout,
    jobs,
  });
  const target = recoveryTargetFrom(options);
  const { report, end } = reporter(options.json === true);
  const drilled = await untilInterrupted((signal) =>
    runDrill({
      ...plan,
      which,
      target,
      timeline: options.targetTimeline,
      worker: config.worker.name,
      signal,
      report,
    }),
  ).finally(end);
  if (drilled.error?.kind === 'usage') throw drilled.error;
  const record = (db: Connection) => recordDrill(db, drilled);
  const about = { ...plan, backup: which?.includes('/') === true ? which : undefined };
  const id = options.record ? await recordResult(config, 'drill', about, record) : undefined;
  if (options.json === true) await printJson(drillAsJson(drilled, id));
  else await printLines(drillLines(drilled, id));
  if (drilled.error !== undefined) process.exitCode = 1;
}

/** Reports each phase on a line of its own, and the progress of the restore on a terminal. */
function reporter(json: boolean): { report: DrillReport; end: () => void } {
  let progress: ProgressLine | undefined;
  const say = (line: string) => {
    progress?.end();
    if (!json) process.stdout.write(`${plain(line)}\n`);
  };
  return {
    end: () => progress?.end(),
    report: {
      phase(phase, detail) {
        say(`${phase} ${detail}`);
        if (phase === 'restoring') progress = new ProgressLine(phase);
      },
      progress: (done, expected) => progress?.show(done, expected),
      segment: () => undefined,
      removed({ directory, server }) {
        const running = server === undefined ? '' : `, and ended its server (process ${server})`;
        process.stderr.write(
          `holdfast: removed what a drill that was killed had left: "${plain(directory)}"${running}\n`,
        );
      },
    },
  };
}
