/** Finds the programs of a major version of PostgreSQL on this host. */
import { existsSync } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';
import { basename, delimiter, dirname, join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { clusterOwner } from '../extraction/cluster-owner.ts';
import { versionOf, type ServerUser } from '../restore/server-version.ts';
import { readFrames } from '../repository/backup-inventory.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import { rootsProgram } from './root-alone.ts';

/** The directories of common packages and installers. */
const usualPlaces = (major: number) => [
  `/usr/lib/postgresql/${major}/bin`,
  `/usr/pgsql-${major}/bin`,
  `/usr/lib64/pgsql/postgresql-${major}/bin`,
  `/usr/local/pgsql-${major}/bin`,
  `/usr/local/pgsql/bin`,
  `/opt/homebrew/opt/postgresql@${major}/bin`,
  `/usr/local/opt/postgresql@${major}/bin`,
];

/**
 * The directory that contains `postgres`. `configured` is the only directory that is considered, if given.
 * Root runs no program as root: programs run as the owner of the restored files. Root does not use programs
 * found by search that another user could have changed.
 * @throws HoldfastError `no_server_programs`, `other_version`, `server_owner_is_root`
 */
export async function findPrograms(backup: StoredBackup, configured: string | undefined): Promise<string> {
  const major = Number.parseInt(backup.description.serverVersion, 10);
  const isRoot = process.getuid?.() === 0;
  const user = isRoot ? clusterOwner(backup, await readFrames(backup)) : undefined;
  if (configured !== undefined) {
    const found = await versionOf(configured, user);
    if (found === major) return configured;
    throw new HoldfastError(
      'failed',
      `"${configured}" has PostgreSQL ${found}, and the backup is of PostgreSQL ${major}`,
      {
        code: 'other_version',
        hint: `name the directory of PostgreSQL ${major}'s programs: pg_bin of the cluster, or --pg-bin`,
      },
    );
  }
  const { directory, passedOver } = await lookForPrograms(major, user);
  if (directory !== undefined) return directory;
  const none = `there is no PostgreSQL ${major} on this host to start the backup with`;
  throw new HoldfastError('failed', `${none}${passedOver}`, {
    code: 'no_server_programs',
    hint: `install PostgreSQL ${major}, or name the directory of its programs: pg_bin of the cluster, or --pg-bin`,
  });
}

/**
 * Searches for the programs. `passedOver` names programs that were found and are not safe, for an error
 * message. `user` runs the programs, see versionOf().
 */
async function lookForPrograms(
  major: number,
  user: ServerUser | undefined,
): Promise<{ directory: string | undefined; passedOver: string }> {
  let passedOver = '';
  for await (const place of placesOf(major)) {
    const program = join(place, 'postgres');
    if (!existsSync(program)) continue;
    const trusted = process.getuid?.() === 0 ? await rootsProgram(program) : program;
    if (trusted === undefined)
      passedOver ||= `; "${program}" is passed over, as others than root can change it`;
    else if ((await versionOf(dirname(trusted), user).catch(() => undefined)) === major)
      return { directory: dirname(trusted), passedOver };
  }
  return { directory: undefined, passedOver };
}

/** The directories to look into. The running servers come last, because it takes a while to find them. */
async function* placesOf(major: number): AsyncGenerator<string> {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).filter((place) => place !== '');
  const first = new Set([...usualPlaces(major), ...onPath]);
  yield* first;
  for (const place of await runningServers()) if (!first.has(place)) yield place;
}

/** The directories of the programs of running servers, as far as this user can read /proc. */
async function runningServers(): Promise<string[]> {
  const processes = await readdir('/proc').catch(() => []);
  const found = new Set<string>();
  for (const name of processes.filter((entry) => /^\d+$/.test(entry))) {
    const program = await readlink(`/proc/${name}/exe`).catch(() => '');
    if (basename(program) === 'postgres') found.add(dirname(program));
  }
  return [...found];
}
