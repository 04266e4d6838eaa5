/**
 * Refuses a restore to a server of another major version. The version comes from the server's programs, or
 * from the name of the directory (/var/lib/postgresql/15/main, /var/lib/pgsql/15/data).
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HoldfastError, messageOf } from '../errors.ts';
import { runAs } from '../system/run-as.ts';
import type { RepositoryBackup } from '../repository/repository-backup.ts';

/**
 * Refuses a directory or programs of another major version. `programs` is the directory of the server's
 * programs; undefined: only the name of the directory is checked.
 * @throws HoldfastError `other_version`, `no_server_programs`
 */
export async function refuseOtherVersion(
  { id, serverVersion }: Pick<RepositoryBackup, 'id' | 'serverVersion'>,
  directory: string,
  programs: { directory: string; user: ServerUser | undefined } | undefined,
): Promise<void> {
  const major = Number.parseInt(serverVersion, 10);
  const found =
    programs === undefined ? versionInPath(directory) : await versionOf(programs.directory, programs.user);
  if (found === undefined || found === major) return;
  throw new HoldfastError(
    'failed',
    `backup ${id} is of PostgreSQL ${major}, and "${programs?.directory ?? directory}" is for PostgreSQL ${found}`,
    {
      code: 'other_version',
      hint: `restore on a host with PostgreSQL ${major}, or name its programs with --pg-bin DIR: no other version can use the files`,
    },
  );
}

/** The major version in the name of a directory; undefined if the name contains none. */
export function versionInPath(directory: string): number | undefined {
  const [, major] = /\/(?:postgresql|pgsql)\/(\d\d)(?:\/|$)/.exec(directory) ?? [];
  return major === undefined ? undefined : Number(major);
}

/** The operating system user that runs PostgreSQL's programs. */
export interface ServerUser {
  uid: number;
  gid: number;
}

/** Milliseconds. */
const patience = 20_000;

/**
 * The major version of the server whose programs are in the directory `programs`. `user` runs the program if
 * this process is root; undefined: the user of this process.
 * @throws HoldfastError `no_server_programs`
 */
export async function versionOf(programs: string, user: ServerUser | undefined): Promise<number> {
  const program = join(programs, 'postgres');
  try {
    const { stdout } = await promisify(execFile)(program, ['--version'], {
      timeout: patience,
      cwd: '/',
      ...runAs(user),
    });
    const [, major] = /^postgres \(PostgreSQL\) (\d+)/.exec(stdout) ?? [];
    if (major === undefined) throw new Error(`it says "${stdout.trim()}"`);
    return Number(major);
  } catch (error) {
    throw new HoldfastError('failed', `the version of "${program}" is unknown: ${messageOf(error)}`, {
      code: 'no_server_programs',
      hint: `give the directory that has "postgres" in it, such as /usr/lib/postgresql/18/bin${user === undefined ? '' : `, where user ${user.uid} may run it`}`,
      cause: error,
    });
  }
}
