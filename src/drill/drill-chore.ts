/**
 * Runs a drill that was requested by a row in SQL, and records the result in the control database in any
 * case.
 */
import { recordedOfChore } from '../chores/recorded-of-chore.ts';
import type { Config } from '../config/config.ts';
import type { BegunChore } from '../control/chore-rows.ts';
import type { ControlLink } from '../control/control-link.ts';
import { recordDrill } from '../control/drill-records.ts';
import { HoldfastError } from '../errors.ts';
import type { Log } from '../log.ts';
import { isBackupName } from '../repository/backup-name.ts';
import { readTarget } from '../recovery/recovery-target-options.ts';
import { type DrillReport } from './drill-report.ts';
import { runDrill, type DrilledServer } from './run-drill.ts';
import { planDrill } from './drill-plan.ts';

/** The request. */
export interface DrillChore extends Pick<BegunChore, 'requestId' | 'recorded'> {
  cluster: string;
  /** The ID or the name of the backup in the repository; null: the newest backup. */
  backup: string | null;
  /** The recovery target options of the request, see readTarget(). */
  options: Record<string, unknown>;
}

/** The parts of the worker that a drill uses. */
export interface DrillContext {
  control: Pick<ControlLink, 'run' | 'name'>;
  repository: string;
  config: Config;
  log: Log;
  signal: AbortSignal;
  setResult: (result: Record<string, unknown>) => void;
}

/**
 * Runs a drill and returns its result.
 * @throws HoldfastError where the backup is not proven restorable
 */
export async function runDrillChore(
  { cluster, backup, options, ...request }: DrillChore,
  { control, repository, config, log, signal, setResult }: DrillContext,
): Promise<Record<string, unknown>> {
  if (backup !== null && !isBackupName(backup) && !/^\d+$/.test(backup)) {
    throw new HoldfastError('usage', `"${backup}" is not the name of a backup`, {
      code: 'no_such_backup',
      hint: 'give its id or its name in the repository, as "holdfast restore --list" shows it',
    });
  }
  const drilled = await runDrill({
    ...planDrill(config, cluster, { repository }),
    ...readTarget(options),
    which: backup ?? undefined,
    recorded: recordedOfChore(request),
    worker: control.name,
    signal,
    report: reportTo(log, cluster),
  });
  const id = await control.run((db) => recordDrill(db, drilled), signal);
  const result = resultOf(drilled, id);
  setResult(result);
  if (drilled.error === undefined) return result;
  log.error('a backup is not proven restorable', { cluster, drill: id, reason: drilled.error.message });
  throw drilled.error;
}

function resultOf(
  { backup, restoreSeconds, recoverySeconds, recoveredTo, bytes, error }: DrilledServer,
  id: number,
): Record<string, unknown> {
  return {
    drill: id,
    ok: error === undefined,
    backup: backup?.name ?? null,
    restore_seconds: restoreSeconds,
    recovery_seconds: recoverySeconds,
    recovered_to: recoveredTo,
    bytes,
  };
}

function reportTo(log: Log, cluster: string): DrillReport {
  return {
    phase: (phase, detail) => log.info(`drill: ${phase}`, { cluster, detail }),
    progress: () => undefined,
    segment: () => undefined,
    removed: ({ directory, server }) =>
      log.warning('removed what a drill that was killed had left', { cluster, directory, server }),
  };
}
