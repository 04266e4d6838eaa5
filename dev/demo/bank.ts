// A bank under load, and what must be true of it at any moment: money moves between two tables in different
// tablespaces, and every transfer is noted in a third. A copy whose parts are not of one moment breaks that.
import { eventually } from '../harness/eventually.ts';
import { openClient, type SqlClient } from '../harness/sql-client.ts';
import type { Narrator } from './narrator.ts';

const accounts = 40_000;
const balance = 1000;
const tellers = 4;

export const total = 2 * accounts * balance;

/** Numbers of transfers by teller: how many of each one's were acknowledged as committed. */
export type Acknowledged = number[];

export async function openBank(client: SqlClient, tablespaceLocation: string): Promise<void> {
  await client.query(`create tablespace second_disk location '${tablespaceLocation}'`);
  await client.query(`
    create table checking (account int primary key, balance bigint not null) with (fillfactor = 70);
    create table savings (account int primary key, balance bigint not null) with (fillfactor = 70)
      tablespace second_disk;
    create table transfer (teller int, number int, from_checking int not null, to_savings int not null,
      amount bigint not null, at timestamptz not null default clock_timestamp(), primary key (teller, number))
      tablespace second_disk;
    insert into checking select n, ${balance} from generate_series(1, ${accounts}) n;
    insert into savings select n, ${balance} from generate_series(1, ${accounts}) n;
    create extension amcheck;
  `);
}

export async function startLoad(tell: Narrator, url: string): Promise<Load> {
  tell.step('Four tellers move money between tables in two tablespaces, without a pause');
  const load = new Load();
  await load.start(url);
  await load.more(200);
  tell.say(`${load.transfers} transfers committed`);
  return load;
}

/** Tellers that move money until they are told to stop. */
export class Load {
  readonly acknowledged: Acknowledged = Array.from({ length: tellers }, () => 0);
  #stopped = false;
  #clients: SqlClient[] = [];
  #work: Promise<unknown> | undefined;
  #failure: Error | undefined;

  async start(url: string): Promise<void> {
    this.#clients = await Promise.all(this.acknowledged.map(() => openClient(url)));
    this.#work = Promise.all(this.#clients.map((client, teller) => this.#transfer(client, teller))).catch(
      (error: Error) => (this.#failure = error),
    );
  }

  get transfers(): number {
    return this.acknowledged.reduce((sum, count) => sum + count, 0);
  }

  /** Resolves when so many more transfers have been committed. */
  async more(count: number): Promise<void> {
    const wanted = this.transfers + count;
    const areMade = () => {
      if (this.#failure) throw this.#failure;
      return this.transfers >= wanted;
    };
    await eventually(`${count} more transfers are made`, areMade, { within: 300_000, every: 5 });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#work;
    await Promise.all(this.#clients.map((client) => client.close()));
    if (this.#failure) throw this.#failure;
  }

  async #transfer(client: SqlClient, teller: number): Promise<void> {
    const pick = (limit: number) => 1 + Math.floor(Math.random() * limit);
    while (!this.#stopped) {
      const number = (this.acknowledged[teller] ?? 0) + 1;
      const [from, to, amount] = [pick(accounts), pick(accounts), pick(50)];
      await client.query(
        `begin;
         update checking set balance = balance - ${amount} where account = ${from};
         update savings set balance = balance + ${amount} where account = ${to};
         insert into transfer values (${teller}, ${number}, ${from}, ${to}, ${amount});
         commit`,
      );
      this.acknowledged[teller] = number;
    }
  }
}

export interface Finding {
  claim: string;
  holds: boolean;
  found: string;
}

/** `atLeast`: what must be there, because it was acknowledged before that moment. */
export async function audit(client: SqlClient, atLeast: Acknowledged, moment: string): Promise<Finding[]> {
  const promised = atLeast.reduce((sum, count) => sum + count, 0);
  const sum = Number(
    await client.value('select (select sum(balance) from checking) + (select sum(balance) from savings)'),
  );
  const wrong = await client.value<number>(`
    select count(*)::int from (
      select account from checking
      left join (select from_checking as account, sum(amount) as moved from transfer group by 1) t using (account)
      where balance <> ${balance} - coalesce(moved, 0)
      union all
      select account from savings
      left join (select to_savings as account, sum(amount) as moved from transfer group by 1) t using (account)
      where balance <> ${balance} + coalesce(moved, 0)) wrong`);
  const [transfers] = await client.query<{ there: number; holes: number; missing: number }>(
    `select count(t.number)::int as there,
       (select coalesce(sum(last - count), 0)::int from (
          select max(number) as last, count(*) from transfer group by teller) each_teller) as holes,
       ${promised} - (count(*) filter (where t.number <= a.count))::int as missing
     from transfer t join unnest($1::int[]) with ordinality a (count, place) on a.place = t.teller + 1`,
    [atLeast],
  );
  const { there = 0, holes = 0, missing = promised } = transfers ?? {};
  return [
    {
      claim: 'no money was made or lost between the two tables',
      holds: sum === total,
      found: sum === total ? `sum ${sum}` : `sum ${sum} instead of ${total}`,
    },
    {
      claim: 'every balance is what the transfers made of it',
      holds: wrong === 0,
      found: `${2 * accounts - wrong} of ${2 * accounts} accounts`,
    },
    {
      claim: "each teller's transfers are all there up to one moment, without holes",
      holds: holes === 0,
      found: holes === 0 ? `${there} transfers` : `${holes} holes`,
    },
    {
      claim: `all that was committed before ${moment} is there`,
      holds: missing === 0,
      found:
        missing === 0
          ? `${promised} of ${promised} transfers`
          : `${missing} of ${promised} transfers missing`,
    },
  ];
}
