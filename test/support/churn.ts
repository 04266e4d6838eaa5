// A load with DDL of every kind, for copies that are made meanwhile. Each function is one round, for again() of load.ts.
import { rest } from './load.ts';
import type { SqlClient } from './sql-client.ts';

export async function churnTables(client: SqlClient, round: number): Promise<void> {
  await client.query(
    `create table t${round} as select n, md5(n::text) as text from generate_series(1, 1000) n`,
  );
  await client.query(`create index on t${round} (text)`);
  if (round % 3 === 0) await client.query(`truncate t${round}`);
  if (round % 3 === 1) await client.query(`alter table t${round} alter n type bigint`);
  if (round > 4) await client.query(`drop table t${round - 5}`);
  if (round % 4 === 0) await client.query('vacuum full account');
  if (round % 4 === 2) await client.query('vacuum account, transfer');
  if (round % 8 === 4) await client.query('reindex table account');
}

/** A table that grows to a hundred pages, shrinks to a few, and grows again; how many rows it has stands elsewhere. */
export async function churnQueue(client: SqlClient): Promise<void> {
  const count = 'update queue_length set rows = (select count(*) from queue)';
  await client.query(
    `insert into queue select n from generate_series(1, 1500) n on conflict do nothing; ${count}`,
  );
  await client.query(`delete from queue where n > 50; ${count}`);
  await client.query('vacuum queue');
}

export async function churnDatabases(client: SqlClient, round: number): Promise<void> {
  await client.query(
    `create database d${round} oid ${50_000 + (round % 3)} strategy ${round % 2 === 0 ? 'wal_log' : 'file_copy'}`,
  );
  if (round > 1) await client.query(`drop database d${round - 2}`);
}

/** `stays`: the seconds for which each one has something in it. */
export async function churnTablespaces(
  client: SqlClient,
  round: number,
  spaces: string[],
  stays = 0,
): Promise<void> {
  const name = `space${round}`;
  await client.query(`create tablespace ${name} location '${spaces[round % spaces.length]}'`);
  await client.query(`create table in_${name} tablespace ${name} as select generate_series(1, 2000) n`);
  await client.query(`update in_${name} set n = -n where n % 100 = 0`);
  if (stays > 0) await rest(client, stays);
  await client.query(`alter table in_${name} set tablespace pg_default`);
  await client.query(`drop tablespace ${name}`);
  await client.query(`drop table in_${name}`);
}

/** Rows of a page each: a relation of as many pages is longer than one file, which has 131072. */
const bigRows = 132_000;

/** The table of churnBig, and how many rows it has. */
export async function makeBig(client: SqlClient): Promise<void> {
  await client.query(`
    create table big (n int, filler text);
    alter table big alter filler set storage plain;
    insert into big select n, repeat('b', 7000) from generate_series(1, ${bigRows}) n;
    create table big_length as select ${bigRows} as rows`);
}

/** Its second file comes and goes; now and then hardly anything is left of its first one, too. */
export async function churnBig(client: SqlClient, round: number): Promise<void> {
  const left = round % 16 === 15 ? 1000 : bigRows - 3000;
  await client.query(`delete from big where n > ${left}; update big_length set rows = ${left}`);
  await client.query('vacuum big');
  await client.query(`
    insert into big select n, repeat('b', 7000) from generate_series(${left + 1}, ${bigRows}) n;
    update big_length set rows = ${bigRows}`);
}
