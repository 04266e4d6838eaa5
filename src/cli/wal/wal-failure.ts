/** What went wrong with a file of WAL, for PostgreSQL's log. */
import { HoldfastError, messageOf } from '../../errors.ts';

/** Says it on standard error, as every command does; returns the exit status: the error's own, or the one given. */
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
