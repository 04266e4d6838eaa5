/** A server that summarizes its WAL, filled with data, and Holdfast installed. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Connection } from '../../src/database/connection.ts';
import { install } from '../../src/control/install-schema.ts';
import { asPostgres, sh } from '../copy/shell.ts';

const data = fileURLToPath(new URL('../data.sql', import.meta.url));

export interface SummarizingServer {
  directory: string;
  dataDirectory: string;
  /** The directory of PostgreSQL's programs. */
  programs: string;
  port: number;
  url: string;
  /** Of the data directory's files. */
  bytes: number;
  /** Changes that many rows, in as many pages as can be, and writes the changed pages. Returns their number. */
  change(rows: number): Promise<number>;
  remove(): Promise<void>;
}

export async function makeSummarizingServer(
  parent: string,
  { gb, programs }: { gb: number; programs: string },
): Promise<SummarizingServer> {
  const directory = await mkdtemp(join(parent, 'holdfast-bench-incremental-'));
  await sh(`chown postgres ${directory}`);
  const dataDirectory = join(directory, 'data');
  const port = 54_700 + Math.floor(Math.random() * 90);
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
    'summarize_wal = on',
  ];
  await sh(`cat >> ${dataDirectory}/postgresql.conf`, settings.join('\n'));
  const control = `${programs}/pg_ctl -w -D ${dataDirectory} -l ${directory}/log`;
  await asPostgres(`${control} start > /dev/null`);
  const psql = `${programs}/psql -qXAth ${directory} -p ${port}`;
  await asPostgres(`${psql} -v gb=${gb} -f - < ${data} > /dev/null 2>&1`);
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
    bytes: Number(size),
    async change(rows) {
      const begin = await asPostgres(`${psql} -c 'select pg_current_wal_lsn()'`);
      await asPostgres(
        `${psql} -c "update bench_event set amount = amount + 1 where id in (
           select (random() * (select max(id) from bench_event))::bigint from generate_series(1, ${rows}))"`,
      );
      await asPostgres(`${psql} -c checkpoint`);
      await asPostgres(`sync; find ${dataDirectory}/base -type f -exec cat {} + > /dev/null`);
      const pages = `select count(*) from (select distinct reltablespace, reldatabase, relfilenode, relforknumber, relblocknumber
        from pg_available_wal_summaries() s, pg_wal_summary_contents(s.tli, s.start_lsn, s.end_lsn)
        where end_lsn > '${begin}' and not is_limit_block) changed`;
      return Number(await asPostgres(`${psql} -c "${pages}"`));
    },
    async remove() {
      await asPostgres(`${control} -m fast stop > /dev/null`);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
