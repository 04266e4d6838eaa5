/** Where the programs of a PostgreSQL of some major version are on this host. */
import { existsSync } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';
import { basename, delimiter, dirname, join } from 'node:path';
import { HoldfastError } from '../../errors.ts';
import { versionOf } from '../server-version.ts';

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
 * The directory with `postgres` in it. `configured`: that one or none.
 * @throws HoldfastError `no_server_programs`, `other_version`
 */
export async function findPrograms(major: number, configured: string | undefined): Promise<string> {
  if (configured !== undefined) {
    const found = await versionOf(configured);
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
  const onPath = (process.env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '');
  for (const directory of new Set([...usualPlaces(major), ...onPath, ...(await runningServers())])) {
    if (!existsSync(join(directory, 'postgres'))) continue;
    if ((await versionOf(directory).catch(() => undefined)) === major) return directory;
  }
  throw new HoldfastError('failed', `there is no PostgreSQL ${major} on this host to start the backup with`, {
    code: 'no_server_programs',
    hint: `install PostgreSQL ${major}, or name the directory of its programs: pg_bin of the cluster, or --pg-bin`,
  });
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
