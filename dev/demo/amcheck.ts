// PostgreSQL's own check of tables and indexes, in the database connected to.
import type { SqlClient } from '../harness/sql-client.ts';
import type { Finding } from './bank.ts';

/** Every B-tree against its table, every row of every table: all that `pg_amcheck --heapallindexed` looks at. */
export async function amcheck(client: SqlClient): Promise<Finding[]> {
  await client.query('create extension if not exists amcheck');
  const indexes = await client.value<number>(`
    select count(bt_index_check(index => c.oid, heapallindexed => true))::int
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
    where a.amname = 'btree' and c.relkind = 'i' and c.relpersistence = 'p' and i.indisready and i.indisvalid`);
  const indexFinding = {
    claim: 'amcheck: every index has every row of its table, in order',
    holds: indexes > 0,
    found: `${indexes} indexes`,
  };
  const canVerifyTables = await client.value<boolean>(
    `select exists (select from pg_proc where proname = 'verify_heapam')`, // from 14 on
  );
  if (!canVerifyTables) return [indexFinding];
  const [heap] = await client.query<{ tables: number; corrupt: number }>(`
    select count(distinct c.oid)::int as tables, count(v.msg)::int as corrupt
    from pg_class c left join lateral verify_heapam(c.oid) v on true
    where c.relkind in ('r', 'm', 't') and c.relpersistence = 'p'`);
  const { tables = 0, corrupt = 0 } = heap ?? {};
  return [
    indexFinding,
    {
      claim: 'amcheck: no table has a corrupt row or page',
      holds: tables > 0 && corrupt === 0,
      found: corrupt === 0 ? `${tables} tables` : `${corrupt} corrupt places`,
    },
  ];
}
