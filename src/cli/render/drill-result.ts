/** The output of `holdfast drill`. */
import type { DrillCheck } from '../../control/drill-records.ts';
import type { DrilledServer } from '../../drill/run-drill.ts';
import { plain } from '../../plain.ts';
import { bytes, seconds, time } from './format.ts';
import { asSql } from './output.ts';
import { paint } from './paint.ts';

/** The result as text. `id` is the drill's id in `backup_drill`; undefined if the drill is not recorded. */
export function drillLines(drilled: DrilledServer, id: number | undefined): string[] {
  const { backup, cluster, error, checks } = drilled;
  const what = backup === undefined ? `cluster ${cluster}` : `backup ${backup.name} of cluster ${cluster}`;
  const verdict =
    error === undefined ? paint('proven restorable', 'green') : paint('not proven restorable', 'red');
  return [
    `${what}: ${verdict}`,
    ...facts(drilled),
    ...checks.flatMap(checkLines),
    ...(error === undefined ? [] : [`  error: ${plain(error.message)} (${error.code})`]),
    ...(error?.hint === undefined ? [] : [`  hint: ${plain(error.hint)}`]),
    ...(id === undefined ? [] : [`  recorded as drill ${id}`]),
  ];
}

function facts(drilled: DrilledServer): string[] {
  const { restoreSeconds, recoverySeconds, recoveredTo, bytes: amount, target, serverVersion } = drilled;
  const { lastTransactionAt } = drilled;
  const newest =
    lastTransactionAt === null ? 'no transaction' : `up to a transaction of ${time(lastTransactionAt)}`;
  return [
    ...(restoreSeconds === null ? [] : [`  restored in ${seconds(restoreSeconds)}`]),
    ...(recoverySeconds === null ? [] : [`  recovered to ${plain(target)} in ${seconds(recoverySeconds)}`]),
    ...(recoveredTo === null
      ? []
      : [`  that is ${recoveredTo}, ${newest}; ${bytes(amount ?? 0)} with PostgreSQL ${serverVersion}`]),
  ];
}

function checkLines({ check, database, ok, skipped, detail, problems, seconds: took }: DrillCheck): string[] {
  const where = database === undefined ? '' : ` in ${database}`;
  const verdict = ok
    ? paint(skipped ? 'skipped' : 'ok', skipped ? 'yellow' : 'green')
    : paint('FAILED', 'red');
  const more = detail === '' ? '' : `: ${detail}`;
  return [
    `  ${verdict} ${plain(check + where + more)} (${seconds(took)})`,
    ...problems.map((problem) => `    ${plain(problem)}`),
  ];
}

/** The result for `--json`; `id` as in `drillLines`. */
export function drillAsJson(drilled: DrilledServer, id: number | undefined): object {
  const { backup, failure, error: _, ...rest } = drilled;
  return {
    ok: failure === undefined,
    backup: backup?.name ?? null,
    id: backup?.id ?? null,
    ...asSql(rest),
    error: failure ?? null,
    drill: id ?? null,
  };
}
