/** Where the programs of a PostgreSQL of some major version are on this host. */
import { existsSync } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';
import { basename, delimiter, dirname, join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { clusterOwner } from '../extraction/cluster-owner.ts';
import { versionOf, type ServerUser } from '../restore/server-version.ts';
import { readFrames, type StoredBackup } from '../repository/catalog.ts';
import { rootsProgram } from './root-alone.ts';

/** As packages and installers have them. */
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
 * The directory with `postgres` in it. `configured`: that one or none. Whoever is root runs nothing as root, and of what
 * is only found here nothing that somebody else could have put there: it is run as the owner of the restored files.
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

/** `passedOver`: for an error, what was found and is not to be trusted. `user`: see `versionOf`. */
async function lookForPrograms(
  major: number,
  user: ServerUser | undefined,
): Promise<{ directory: string | undefined; passedOver: string }> {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).filter((place) => place !== '');
  let passedOver = '';
  for (const place of new Set([...usualPlaces(major), ...onPath, ...(await runningServers())])) {
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

/** Where the servers that run here have their programs, as far as this user may see. */
async function runningServers(): Promise<string[]> {
  const processes = await readdir('/proc').catch(() => []);
  const found = new Set<string>();
  for (const name of processes.filter((entry) => /^\d+$/.test(entry))) {
    const program = await readlink(`/proc/${name}/exe`).catch(() => '');
    if (basename(program) === 'postgres') found.add(dirname(program));
  }
  return [...found];
}
