/**
 * How a restored server is started beside the one that was backed up, which may run on this host: what its
 * configuration shares with that one is turned away on the command line, where it beats every file.
 */
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import type { RepositoryBackup } from '../repository/repository-backup.ts';
import { configuredIn } from '../recovery/auto-conf.ts';
import { shellWord } from '../recovery/recovery-commands.ts';

export interface StartOptions {
  /** The new data directory, absolute. */
  directory: string;
  backup: Pick<RepositoryBackup, 'dataDirectory' | 'serverVersion'>;
  /** Further settings. */
  settings?: readonly string[];
  /** Where the server's programs are. The one on the PATH may be of any version. */
  programs?: string | undefined;
}

/** For the shell; FILE is for the user to fill in, see `configurationIsMissing`. */
export async function startCommand(options: StartOptions): Promise<string> {
  const { directory, backup, settings = [], programs } = options;
  const major = Number.parseInt(backup.serverVersion, 10);
  const port = await portFor(directory, backup.dataDirectory);
  const configuration = configurationFile(directory, backup.dataDirectory);
  const all = [
    ...(configuration === 'inside' ? [] : [`config_file=${shellWord(configuration ?? 'FILE')}`]),
    // Wherever the configuration is, it may name the data directory that was backed up, which would be started.
    `data_directory=${shellWord(directory)}`,
    // The server writes this file at its start, and removes it at its end; one without a name is an error in its log.
    'external_pid_file=external.pid',
    'log_directory=log',
    // Its subscriptions have the slots of the old server's: it would take their changes from them.
    'max_logical_replication_workers=0',
    // It is emptied at the start. There is no such setting from 15 on.
    ...(major < 15 ? ['stats_temp_directory=pg_stat_tmp'] : []),
    ...settings,
  ];
  const serverOptions = [`-p ${port}`, ...all.map((setting) => `-c ${setting}`)].join(' ');
  // The shell takes it apart a second time: pg_ctl starts the server with one.
  const quoted = /["$`\\!]/.test(serverOptions) ? shellWord(serverOptions) : `"${serverOptions}"`;
  const pgCtl = programs === undefined ? 'pg_ctl' : join(resolve(programs), 'pg_ctl');
  const log = shellWord(join(directory, 'restore.log'));
  return `${shellWord(pgCtl)} start -D ${shellWord(directory)} -l ${log} -o ${quoted}`;
}

/** Whether the command has FILE where the user is to name postgresql.conf. */
export function configurationIsMissing({ directory, backup }: StartOptions): boolean {
  return configurationFile(directory, backup.dataDirectory) === undefined;
}

/** undefined: it is somewhere else, and nobody knows where. Debian names its directory after the data directory. */
function configurationFile(directory: string, dataDirectory: string): string | undefined {
  if (existsSync(join(directory, 'postgresql.conf'))) return 'inside';
  const [, cluster] = /^\/var\/lib\/postgresql\/(\d+\/[^/]+)\/?$/.exec(dataDirectory) ?? [];
  const file = `/etc/postgresql/${cluster}/postgresql.conf`;
  return cluster !== undefined && existsSync(file) ? file : undefined;
}

/** A free one, and not the port of a server that is only down: its clients would come to the restored one. */
async function portFor(directory: string, dataDirectory: string): Promise<number> {
  const configured = Number((await configuredIn(directory))('port') ?? 5432) || 5432;
  const isBeside = dataDirectory !== directory && existsSync(join(dataDirectory, 'PG_VERSION'));
  for (let port = configured + (isBeside ? 1 : 0); port < 65_535; port += 1)
    if (await isFree(port)) return port;
  return configured;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port);
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
