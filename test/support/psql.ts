// psql, where there is one: the embedded packages have none, Debian's postgresql-client does.
import type { ExecutionContext } from 'ava';
import { psqlPath } from '../../dev/harness/psql-path.ts';
import { runProcess, startProcess, type Finished, type RunningProcess } from '../../dev/harness/children.ts';

/** For testWhen(): why tests that need psql cannot run; undefined when they can. */
export const noPsql = psqlPath === undefined ? 'there is no psql: install postgresql-client' : undefined;

/** Runs psql to its end. Nobody's ~/.psqlrc, no password prompt; the first error ends it. */
export function psql(
  url: string,
  args: string[],
  options: { input?: string; cwd?: string } = {},
): Promise<Finished> {
  return runProcess(found(), [...standard(url), ...args], options);
}

/** A psql that goes on until the test ends, to be interrupted. */
export function startPsql(t: ExecutionContext, url: string, args: string[]): Promise<RunningProcess> {
  return startProcess(t, found(), [...standard(url), ...args]);
}

function standard(url: string): string[] {
  return ['--no-psqlrc', '--no-password', '-v', 'ON_ERROR_STOP=1', '-d', url];
}

function found(): string {
  if (psqlPath === undefined) throw new Error(`${noPsql}; declare the test with testWhen(noPsql)`);
  return psqlPath;
}
