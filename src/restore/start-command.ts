/**
 * Builds the command that starts a restored server beside the original server, which may run on the same
 * host. Options on the command line override the settings that both servers would share.
 */
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import type { RepositoryBackup } from '../repository/repository-backup.ts';
import { configuredIn } from '../recovery/auto-conf.ts';
import { shellWord } from '../recovery/recovery-commands.ts';

/** The input of startCommand(). */
export interface StartOptions {
  /** The new data directory, absolute. */
  directory: string;
  backup: Pick<RepositoryBackup, 'dataDirectory' | 'serverVersion'>;
  /** Additional settings for the command line. */
  settings?: readonly string[];
  /**
   * The directory of the server's programs; undefined: pg_ctl on the PATH, which may be of another version.
   */
  programs?: string | undefined;
}

/**
 * The command for the shell. The command may contain FILE, which the user has to fill in
 * (configurationIsMissing()).
 */
export async function startCommand(options: StartOptions): Promise<string> {
  const { directory, backup, settings = [], programs } = options;
  const major = Number.parseInt(backup.serverVersion, 10);
  const port = await portFor(directory, backup.dataDirectory);
  const configuration = configurationFile(directory, backup.dataDirectory);
  const all = [
    ...(configuration === 'inside' ? [] : [`config_file=${shellWord(configuration ?? 'FILE')}`]),
    // A configuration file outside of the data directory may set data_directory to the original data
    // directory.
    `data_directory=${shellWord(directory)}`,
    // The server writes this file at the start, and removes the file at shutdown. An empty name causes an
    // error in the log.
    'external_pid_file=external.pid',
    'log_directory=log',
    // The subscriptions share the replication slots of the original server, and would consume its changes.
    'max_logical_replication_workers=0',
    // The server empties this directory at the start. The setting was removed in PostgreSQL 15.
    ...(major < 15 ? ['stats_temp_directory=pg_stat_tmp'] : []),
    ...settings,
  ];
  const serverOptions = [`-p ${port}`, ...all.map((setting) => `-c ${setting}`)].join(' ');
  // Quoted a second time, because pg_ctl starts the server with a shell.
  const quoted = /["$`\\!]/.test(serverOptions) ? shellWord(serverOptions) : `"${serverOptions}"`;
  const pgCtl = programs === undefined ? 'pg_ctl' : join(resolve(programs), 'pg_ctl');
  const log = shellWord(join(directory, 'restore.log'));
  return `${shellWord(pgCtl)} start -D ${shellWord(directory)} -l ${log} -o ${quoted}`;
}

/**
 * How the original server was started; undefined unless the new data directory is at its place, where everything
 * that starts the server finds it. The name of a cluster of Debian comes from the path.
 */
export function usualStart({ directory, backup }: StartOptions): string | undefined {
  if (resolve(directory) !== resolve(backup.dataDirectory)) return undefined;
  const cluster = debianCluster(backup.dataDirectory);
  const example =
    cluster === undefined ? '' : `, on Debian with "pg_ctlcluster ${cluster.replace('/', ' ')} start"`;
  return `as it was started before${example}`;
}

/** Whether the command contains FILE in place of the path of postgresql.conf. */
export function configurationIsMissing({ directory, backup }: StartOptions): boolean {
  return configurationFile(directory, backup.dataDirectory) === undefined;
}

/**
 * The path of postgresql.conf; `inside` if the file is in the data directory. undefined if the path is
 * unknown. Debian names the directory of the file after the data directory.
 */
function configurationFile(directory: string, dataDirectory: string): string | undefined {
  if (existsSync(join(directory, 'postgresql.conf'))) return 'inside';
  const cluster = debianCluster(dataDirectory);
  const file = `/etc/postgresql/${cluster}/postgresql.conf`;
  return cluster !== undefined && existsSync(file) ? file : undefined;
}

/** The major release and the name of a cluster of Debian, with a slash between, as in the path of its data. */
function debianCluster(dataDirectory: string): string | undefined {
  return /^\/var\/lib\/postgresql\/(\d+\/[^/]+)\/?$/.exec(dataDirectory)?.[1];
}

/**
 * A free port. The port of an original server that is not running is avoided, because its clients would
 * connect to the restored server.
 */
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
