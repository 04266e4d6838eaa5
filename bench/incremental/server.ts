/** The server of the copies, which summarizes its WAL, and whose pages are changed as often as one likes. */
import { makeServer, type CopyServer } from '../copy/server.ts';
import { asPostgres } from '../copy/shell.ts';

export interface SummarizingServer extends CopyServer {
  /** Changes that many rows, in as many pages as can be, and writes the changed pages. Returns their number. */
  change(rows: number): Promise<number>;
}

export async function makeSummarizingServer(
  parent: string,
  gb: number,
  version: string,
): Promise<SummarizingServer> {
  const server = await makeServer(parent, gb, version, ['summarize_wal = on']);
  const psql = `${server.programs}/psql -qXAth ${server.directory} -p ${server.port}`;
  return {
    ...server,
    async change(rows) {
      const begin = await asPostgres(`${psql} -c 'select pg_current_wal_lsn()'`);
      await asPostgres(
        `${psql} -c "update bench_event set amount = amount + 1 where id in (
           select (random() * (select max(id) from bench_event))::bigint from generate_series(1, ${rows}))"`,
      );
      await server.settle();
      const pages = `select count(*) from (select distinct reltablespace, reldatabase, relfilenode, relforknumber, relblocknumber
        from pg_available_wal_summaries() s, pg_wal_summary_contents(s.tli, s.start_lsn, s.end_lsn)
        where end_lsn > '${begin}' and not is_limit_block) changed`;
      return Number(await asPostgres(`${psql} -c "${pages}"`));
    },
  };
}
