// Twenty chains at random moments of a server under a write load with DDL of every kind: every link is combined by
// PostgreSQL's own pg_combinebackup, started, and whole.
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { amcheck } from '../../dev/demo/amcheck.ts';
import { noTool } from '../../dev/debian/postgres-tools.ts';
import { usual } from '../../dev/embedded/binaries.ts';
import type { EmbeddedCluster } from '../../dev/embedded/cluster.ts';
import { chainScene, combined, summarizing, type ChainScene } from '../support/chains.ts';
import { noCopies, started, type StoredCopy } from '../support/copies.ts';
import { eventually } from '../support/eventually.ts';
import { again } from '../support/load.ts';
import { withClient, type SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const accounts = 5000;
const balance = 1000;
const tellers = 2;
const longestChain = 5;

interface TakenChain {
  links: StoredCopy[];
  /** Of each link, the transfers that had been committed before it was requested. */
  committed: number[];
}

for (const version of summarizing) {
  const chains = version === usual ? 20 : 3;
  testWhen(noCopies, noTool(version, 'pg_combinebackup')).serial(
    `on ${version} each link of ${chains} chains at random moments of a load with DDL is combined, starts, and is whole`,
    async (t) => {
      t.timeout(1_800_000);
      // The server archives elsewhere, and keeps the WAL for as long as a copy takes.
      const settings = { wal_keep_size: '2GB' };
      const scene = await chainScene(t, { version, settings, initdb: ['--data-checksums'] });
      const { admin, cluster, db } = scene;
      await openAccounts(admin);
      const spaces = await Promise.all([0, 1, 2].map((n) => cluster.serverDirectory(`space-${n}`)));
      const stops = [
        ...Array.from({ length: tellers }, (_, teller) => again(t, db.url, transferBy(teller))),
        again(t, db.url, churnTables),
        again(t, db.url, churnQueue),
        again(t, cluster.url(), churnDatabases),
        again(t, db.url, (client, round) => churnTablespaces(client, round, spaces)),
      ];
      const taken: TakenChain[] = [];
      while (taken.length < chains) taken.push(await takeChain(scene));
      await Promise.all(stops.map((stop) => stop()));
      // What is restored makes tablespaces in the very directories where they were.
      await cluster.stop();

      for (const { links, committed } of taken) {
        for (const number of links.keys()) {
          for (const space of spaces) await empty(space);
          const restored = await combined(t, links.slice(0, number + 1), version);
          await requireWhole(t, restored, db.name, {
            name: String(links[number]?.row.id),
            atLeast: committed[number] ?? 0,
          });
          await restored.remove();
        }
      }
      await cluster.start();
    },
  );
}

async function takeChain({ admin, copy, increment }: ChainScene): Promise<TakenChain> {
  const chain: TakenChain = { links: [], committed: [] };
  const length = 1 + Math.floor(Math.random() * longestChain);
  while (chain.links.length < length) {
    const later = (await transfers(admin)) + Math.floor(Math.random() * 100);
    const committed = await eventually('more transfers are committed', async () => {
      const now = await transfers(admin);
      return now >= later ? now : undefined;
    });
    chain.links.push(chain.links.length === 0 ? await copy() : await increment());
    chain.committed.push(committed);
  }
  return chain;
}

async function openAccounts(client: SqlClient): Promise<void> {
  await client.query(`
    create table account (id int primary key, balance int not null, filler text default repeat('x', 200));
    create table transfer (teller int, number int, debtor int not null, creditor int not null, amount int not null,
      primary key (teller, number));
    insert into account select n, ${balance} from generate_series(1, ${accounts}) n;
    create table queue (n int primary key, filler text default repeat('q', 500));
    create table queue_length (rows int not null);
    insert into queue_length values (0)`);
}

/** Money moves between two accounts, and a third table says so. */
function transferBy(teller: number) {
  return async (client: SqlClient, number: number): Promise<void> => {
    await client.query(`
      with chosen as materialized (
        select (random() * ${accounts / 2 - 1})::int + 1 as debtor,
          (random() * ${accounts / 2 - 1})::int + 1 + ${accounts / 2} as creditor, (random() * 50)::int as amount),
      moved as (update account set balance = balance + case id when debtor then - amount else amount end
        from chosen where id in (debtor, creditor))
      insert into transfer select ${teller}, ${number}, chosen.* from chosen`);
  };
}

function transfers(client: SqlClient): Promise<number> {
  return client.value('select count(*)::int from transfer');
}

async function churnTables(client: SqlClient, round: number): Promise<void> {
  await client.query(
    `create table t${round} as select n, md5(n::text) as text from generate_series(1, 1000) n`,
  );
  await client.query(`create index on t${round} (text)`);
  if (round % 3 === 0) await client.query(`truncate t${round}`);
  if (round % 3 === 1) await client.query(`alter table t${round} alter n type bigint`);
  if (round > 4) await client.query(`drop table t${round - 5}`);
  if (round % 8 === 0) await client.query('vacuum full account');
  if (round % 4 === 2) await client.query('vacuum account, transfer');
  if (round % 8 === 4) await client.query('reindex table account');
}

/** A table that grows to a hundred pages, shrinks to a few, and grows again; how many rows it has stands elsewhere. */
async function churnQueue(client: SqlClient): Promise<void> {
  const count = 'update queue_length set rows = (select count(*) from queue)';
  await client.query(
    `insert into queue select n from generate_series(1, 1500) n on conflict do nothing; ${count}`,
  );
  await client.query(`delete from queue where n > 50; ${count}`);
  await client.query('vacuum queue');
}

async function churnDatabases(client: SqlClient, round: number): Promise<void> {
  await client.query(
    `create database d${round} oid ${50_000 + (round % 3)} strategy ${round % 2 === 0 ? 'wal_log' : 'file_copy'}`,
  );
  if (round > 1) await client.query(`drop database d${round - 2}`);
}

async function churnTablespaces(client: SqlClient, round: number, spaces: string[]): Promise<void> {
  const name = `space${round}`;
  await client.query(`create tablespace ${name} location '${spaces[round % spaces.length]}'`);
  await client.query(`create table in_${name} tablespace ${name} as select generate_series(1, 2000) n`);
  await client.query(`update in_${name} set n = -n where n % 100 = 0`);
  await client.query(`alter table in_${name} set tablespace pg_default`);
  await client.query(`drop tablespace ${name}`);
  await client.query(`drop table in_${name}`);
}

async function requireWhole(
  t: ExecutionContext,
  cluster: EmbeddedCluster,
  database: string,
  { name, atLeast }: { name: string; atLeast: number },
): Promise<void> {
  const client = await started(t, cluster, database);
  const wrong = await client.value<number>(`
    select count(*)::int from account
    left join (select debtor as id, sum(amount) as paid from transfer group by 1) d using (id)
    left join (select creditor as id, sum(amount) as got from transfer group by 1) c using (id)
    where balance <> ${balance} - coalesce(paid, 0) + coalesce(got, 0)`);
  t.is(wrong, 0, `backup ${name}: accounts that are not what the transfers made of them`);
  t.is(await client.value('select count(*)::int from account'), accounts, `backup ${name}`);
  const holes = `select count(*)::int from (
    select teller from transfer group by teller having max(number) + 1 <> count(*)) each_teller`;
  t.is(await client.value(holes), 0, `backup ${name}: transfers are missing`);
  const there = await transfers(client);
  t.true(there >= atLeast, `backup ${name}: ${there} of at least ${atLeast} transfers`);
  const queue = 'select (select count(*) from queue) - rows from queue_length';
  t.is(Number(await client.value(queue)), 0, `backup ${name}: rows of the queue`);
  for (const { claim, holds, found } of await amcheck(client))
    t.true(holds, `backup ${name}: ${claim}: ${found}`);
  const names = await client.query<{ datname: string }>(
    'select datname from pg_database where datallowconn and datconnlimit <> -2', // -2: it was being dropped
  );
  for (const { datname } of names)
    await withClient(cluster.url({ database: datname }), (other) =>
      other.query('select count(*) from pg_class'),
    );
  await client.close();
}

async function empty(directory: string): Promise<void> {
  for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true });
}
