/** Error reports and warnings of the `holdfast wal` commands for PostgreSQL's log. */
import { HoldfastError, messageOf } from '../../errors.ts';

/**
 * Writes the error to standard error, as JSON with `--json`. Returns the exit status: `status` if given, else
 * that of the error.
 */
export function tellFailure(error: unknown, args: readonly string[], status?: number): number {
  const known = error instanceof HoldfastError ? error : undefined;
  const exitStatus = status ?? known?.exitStatus ?? 1;
  const { code = 'failed', hint } = known ?? {};
  const message = messageOf(error);
  const said = args.includes('--json')
    ? JSON.stringify({ error: { exit_status: exitStatus, code, message, hint } })
    : [`holdfast: ${message}`, ...(hint === undefined ? [] : [`  hint: ${hint}`])].join('\n');
  process.stderr.write(`${said}\n`);
  return exitStatus;
}

/** Writes a warning to standard error, as JSON with `--json`. */
export function tellWarning(
  { code, message, hint }: { code: string; message: string; hint: string },
  args: readonly string[],
): void {
  const said = args.includes('--json')
    ? JSON.stringify({ warning: { code, message, hint } })
    : `holdfast: warning: ${message}\n  hint: ${hint}`;
  process.stderr.write(`${said}\n`);
}
