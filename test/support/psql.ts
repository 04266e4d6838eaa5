// psql, where there is one: the embedded packages have none, Debian's postgresql-client does.
import { accessSync, constants, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { runProcess, startProcess, type Finished, type RunningProcess } from './children.ts';

/** The newest psql of Debian's, which its own psql in PATH is only a slow wrapper around, or else the one in PATH. */
export const psqlPath: string | undefined = [
  ...debianDirectories(),
  ...(process.env['PATH'] ?? '').split(delimiter),
]
  .map((directory) => join(directory, 'psql'))
  .find(isExecutable);

/** For testWhen(): why tests that need psql cannot run; undefined when they can. */
export const noPsql = psqlPath === undefined ? 'there is no psql: install postgresql-client' : undefined;

function debianDirectories(): string[] {
  const root = '/usr/lib/postgresql';
  try {
    const newestFirst = readdirSync(root).sort((a, b) => Number(b) - Number(a));
    return newestFirst.map((version) => join(root, version, 'bin'));
  } catch {
    return [];
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

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
