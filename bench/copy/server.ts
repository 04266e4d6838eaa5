/** One server of Debian's PostgreSQL with page checksums, filled with data, and Holdfast installed. */
import { mkdtemp, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { Connection } from '../../src/database/connection.ts';
import { install } from '../../src/control/install-schema.ts';
import { toolsOf } from '../../dev/debian/postgres-tools.ts';
import { asPostgres, sh } from './shell.ts';

const data = fileURLToPath(new URL('../data.sql', import.meta.url));

export interface CopyServer {
  directory: string;
  dataDirectory: string;
  /** The directory of its programs. */
  programs: string;
  port: number;
  url: string;
  /** Of the postmaster. */
  pid: number;
  /** Of the data directory's files. */
  bytes: number;
  /** Nothing is left to be written, and the files are in the page cache. */
  settle(): Promise<void>;
  remove(): Promise<void>;
}

/** `parent`: the directory in which its own is made; `version`: its major; `more`: lines for its postgresql.conf. */
export async function makeServer(
  parent: string,
  gb: number,
  version: string,
  more: readonly string[] = [],
): Promise<CopyServer> {
  const programs = toolsOf(Number(version), 'pg_basebackup');
  if (programs === undefined)
    throw new Error(`PostgreSQL ${version} is not here: node dev/debian-programs.ts postgresql-${version}`);
  const directory = await mkdtemp(join(parent, 'holdfast-bench-copy-'));
  await sh(`chown postgres ${directory}`);
  const dataDirectory = join(directory, 'data');
  const port = 54_900 + Math.floor(Math.random() * 90);
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  await asPostgres(`${programs}/initdb -k -A trust -D ${dataDirectory} > /dev/null`);
  const settings = [
    `port = ${port}`,
    `unix_socket_directories = '${directory}'`,
    'shared_buffers = 256MB',
    'max_wal_size = 8GB',
    'checkpoint_timeout = 1h',
    'autovacuum = off',
    'archive_mode = on',
    `archive_command = 'true'`,
    ...more,
  ];
  await sh(`cat >> ${dataDirectory}/postgresql.conf`, settings.join('\n'));
  await asPostgres(`${programs}/pg_ctl -w -D ${dataDirectory} -l ${directory}/log start > /dev/null`);
  await asPostgres(`psql -qXh ${directory} -p ${port} -v gb=${gb} -f - < ${data} > /dev/null 2>&1`);
  const db = await Connection.open({ url });
  await install(db, 'holdfast');
  await db.query('checkpoint');
  await db.close();
  const size = await sh(`du -sb --exclude=pg_wal ${dataDirectory} | cut -f1`);
  return {
    directory,
    dataDirectory,
    programs,
    port,
    url,
    pid: Number((await sh(`head -n 1 ${dataDirectory}/postmaster.pid`)).trim()),
    bytes: Number(size),
    async settle() {
      await asPostgres(`psql -qXh ${directory} -p ${port} -c checkpoint`);
      await sh(`sync; find ${dataDirectory}/base -type f -exec cat {} + > /dev/null`);
    },
    async remove() {
      await asPostgres(`${programs}/pg_ctl -w -m fast -D ${dataDirectory} stop > /dev/null`);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
