// Money that moves between accounts, by which a restored server is told from one that has lost something.
import type { ExecutionContext } from 'ava';
import { amcheck } from '../../dev/demo/amcheck.ts';
import { withClient, type SqlClient } from './sql-client.ts';

const balance = 1000;

/** `filler`: bytes in each account beside its numbers. */
export async function openAccounts(client: SqlClient, accounts: number, filler = 0): Promise<void> {
  await client.query(`
    create table account (id int primary key, balance int not null, filler text default repeat('x', ${filler}));
    create table transfer (teller int, number int, debtor int not null, creditor int not null, amount int not null,
      primary key (teller, number));
    insert into account select n, ${balance} from generate_series(1, ${accounts}) n`);
}

/** One transfer of a teller, who numbers them from 0 on. A third table says what was moved. */
export async function transfer(
  client: SqlClient,
  accounts: number,
  { teller, number }: { teller: number; number: number },
): Promise<void> {
  await client.query(`
    with chosen as materialized (
      select (random() * ${accounts / 2 - 1})::int + 1 as debtor,
        (random() * ${accounts / 2 - 1})::int + 1 + ${accounts / 2} as creditor, (random() * 50)::int as amount),
    moved as (update account set balance = balance + case id when debtor then - amount else amount end
      from chosen where id in (debtor, creditor))
    insert into transfer select ${teller}, ${number}, chosen.* from chosen`);
}

export function transfers(client: SqlClient): Promise<number> {
  return client.value('select count(*)::int from transfer');
}

/**
 * Every balance is what the transfers made of it, no teller's transfer is missing, there are `atLeast` so many, amcheck
 * finds nothing, and each database can be used.
 */
export async function requireAccounts(
  t: ExecutionContext,
  client: SqlClient,
  {
    name,
    accounts,
    atLeast,
    url,
  }: { name: string; accounts: number; atLeast: number; url: (database: string) => string },
): Promise<void> {
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
  for (const { claim, holds, found } of await amcheck(client))
    t.true(holds, `backup ${name}: ${claim}: ${found}`);
  const names = await client.query<{ datname: string }>(
    'select datname from pg_database where datallowconn and datconnlimit <> -2', // -2: it was being dropped
  );
  for (const { datname } of names)
    await withClient(url(datname), (other) => other.query('select count(*) from pg_class'));
}
