/**
 * How a restored server is started beside the one that was backed up, which may run on this host: what its
 * configuration shares with that one is turned away on the command line, where it beats every file.
 */
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import type { RepositoryBackup } from '../repository/repository-backup.ts';
import { configuredIn } from './auto-conf.ts';
import { shellWord } from './commands.ts';

export interface StartOptions {
  /** The new data directory, absolute. */
  directory: string;
  backup: Pick<RepositoryBackup, 'dataDirectory' | 'serverVersion'>;
  /** Further settings. */
  settings?: readonly string[];
}

/** For the shell; what stands in capitals is for the user to fill in. */
export async function startCommand({ directory, backup, settings = [] }: StartOptions): Promise<string> {
  const port = await portFor(directory, backup.dataDirectory);
  const isWhole = existsSync(join(directory, 'postgresql.conf'));
  const all = [
    // Where configuration files are elsewhere, as on Debian, they name the data directory that was backed up.
    ...(isWhole ? [] : ['config_file=FILE', `data_directory=${shellWord(directory)}`]),
    // The server writes this file at its start, and removes it at its end; one without a name is an error in its log.
    'external_pid_file=external.pid',
    'log_directory=log',
    // It is emptied at the start. There is no such setting from 15 on.
    ...(Number.parseInt(backup.serverVersion, 10) < 15 ? ['stats_temp_directory=pg_stat_tmp'] : []),
    ...settings,
  ];
  const options = [`-p ${port}`, ...all.map((setting) => `-c ${setting}`)].join(' ');
  return `pg_ctl start -D ${shellWord(directory)} -o "${options}"${isWhole ? '' : ', as its postgresql.conf is elsewhere'}`;
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
