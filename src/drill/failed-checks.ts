/** Summarizes the failed checks of a drill in one error. Pure. */
import type { DrillRecord } from '../control/drill-records.ts';
import { HoldfastError } from '../errors.ts';

/** The error about all failed checks; undefined if no check failed. */
export function failedChecks({ checks }: Pick<DrillRecord, 'checks'>): HoldfastError | undefined {
  const failed = checks.filter(({ ok }) => !ok);
  const [first] = failed;
  if (first === undefined) return undefined;
  const where = first.database === undefined ? '' : ` in database ${first.database}`;
  const problems = failed.reduce((sum, check) => sum + check.problems.length, 0);
  const more = problems > 1 ? `, and ${problems - 1} problem${problems > 2 ? 's' : ''} more` : '';
  const message = `the backup was recovered, and a check has failed: ${first.check}${where}: ${first.problems[0] ?? ''}${more}`;
  if (failed.every(({ check }) => check.startsWith('assertion: '))) {
    return new HoldfastError('failed', message, {
      code: 'assertion_failed',
      hint: 'see in backup_drill.checks whether the data or what is asserted is wrong',
    });
  }
  return new HoldfastError('failed', message, {
    code: 'recovered_data_damaged',
    hint: 'check the running cluster for the same (pg_amcheck), and drill an older backup: backup_drill.checks has all that was found',
  });
}
