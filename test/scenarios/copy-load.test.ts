// Backups at random moments of a server under a write load with DDL of every kind, every one of them restored.
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { amcheck } from '../../dev/demo/amcheck.ts';
import { usual } from '../../dev/embedded/binaries.ts';
import { again, rest } from '../support/load.ts';
import { moment } from '../support/moments.ts';
import { repositoryScene, type RepositoryScene } from '../support/repository-scene.ts';
import { noRestore } from '../support/restored-copy.ts';
import { withClient, type SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';
import { noArchivingServer } from '../support/wal.ts';

const test = testWhen(noRestore, noArchivingServer).serial;

/** CI makes a few; with TEST_BACKUPS there are as many as it says. */
const asked = Number(process.env['TEST_BACKUPS'] ?? 0);
const accounts = 2000;
const balance = 1000;
const tellers = 2;
/** Backups that may be under way at the same time. */
const lanes = 3;

interface Taken {
  name: string;
  /** Transfers that had been committed before it was requested. */
  committed: number;
}

test('backups at random moments under a write load with DDL, each restored and whole', async (t) => {
  t.timeout(900_000);
  const scene = await repositoryScene(t, { initdb: ['--data-checksums'] });
  const { admin, cluster, db } = scene;
  // The other majors differ in the calls and in the files, which fewer show as well.
  const wanted = asked > 0 ? asked : cluster.version === usual ? 8 : 4;
  await openAccounts(admin);
  const spaces = await Promise.all([0, 1, 2].map((n) => cluster.serverDirectory(`space-${n}`)));
  const stops = [
    ...Array.from({ length: tellers }, (_, teller) => again(t, db.url, (client) => transfer(client, teller))),
    again(t, db.url, churnTables),
    again(t, cluster.url(), churnDatabases),
    again(t, db.url, (client, round) => churnTablespaces(client, round, spaces)),
  ];
  const taken = await backUpAtRandom(scene, wanted);
  await Promise.all(stops.map((stop) => stop()));
  await scene.archiveAll();
  const committed = await transfers(admin);
  // What is restored brings back tablespaces in the very directories where they were.
  await cluster.stop();

  const asOfItsEnd = ['--target-immediate', '--target-action', 'promote'];
  for (const [number, backup] of taken.entries()) {
    for (const space of spaces) await empty(space);
    const toTheEnd = number >= taken.length - 2;
    const args = [
      backup.name,
      '--no-archiving',
      '--tablespaces-as-they-were',
      ...(toTheEnd ? [] : asOfItsEnd),
    ];
    const restored = await scene.started(...args);
    const atLeast = toTheEnd ? committed : backup.committed;
    await requireWhole(t, restored.client, { name: backup.name, atLeast });
    await requireDatabases(restored.client, (database) => restored.cluster.url({ database }));
    await restored.client.close();
    await restored.cluster.remove();
  }
  t.is(taken.length, wanted);
  // For those who tidy up.
  await cluster.start();
});

async function backUpAtRandom({ admin, backup }: RepositoryScene, wanted: number): Promise<Taken[]> {
  const taken: Taken[] = [];
  let begun = 0;
  const lane = async () => {
    while (begun < wanted) {
      begun += 1;
      await moment(Math.random() * 300);
      const committed = await transfers(admin);
      const { description, directory } = await backup();
      if (description.damagedPages.length > 0) throw new Error(`${directory} has damaged pages`);
      taken.push({ name: String(description.id), committed });
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return taken;
}

async function openAccounts(client: SqlClient): Promise<void> {
  await client.query(`
    create table account (id int primary key, balance int not null);
    create table transfer (teller int, number int, debtor int not null, creditor int not null, amount int not null,
      primary key (teller, number));
    insert into account select n, ${balance} from generate_series(1, ${accounts}) n`);
}

/** Money moves between two accounts, and a third table says so. */
async function transfer(client: SqlClient, teller: number): Promise<void> {
  await client.query(`
    with chosen as materialized (
      select (random() * ${accounts / 2 - 1})::int + 1 as debtor,
        (random() * ${accounts / 2 - 1})::int + 1 + ${accounts / 2} as creditor, (random() * 50)::int as amount),
    moved as (update account set balance = balance + case id when debtor then - amount else amount end
      from chosen where id in (debtor, creditor))
    insert into transfer select ${teller}, (select count(*) from transfer where teller = ${teller}), chosen.*
    from chosen`);
  await rest(client, 0.01);
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
  if (round % 4 === 0) await client.query('vacuum full account');
  if (round % 4 === 2) await client.query('vacuum account, transfer');
  await rest(client, 0.1);
}

async function churnDatabases(client: SqlClient, round: number): Promise<void> {
  await client.query(`create database d${round}`);
  if (round > 1) await client.query(`drop database d${round - 2}`);
  await rest(client, 0.5);
}

async function churnTablespaces(client: SqlClient, round: number, spaces: string[]): Promise<void> {
  const name = `space${round}`;
  await client.query(`create tablespace ${name} location '${spaces[round % spaces.length]}'`);
  await client.query(`create table in_${name} tablespace ${name} as select generate_series(1, 2000) n`);
  await rest(client, Math.random() * 0.4);
  await client.query(`alter table in_${name} set tablespace pg_default`);
  await client.query(`drop tablespace ${name}`);
  await client.query(`drop table in_${name}`);
}

async function requireWhole(
  t: ExecutionContext,
  client: SqlClient,
  { name, atLeast }: { name: string; atLeast: number },
): Promise<void> {
  const wrong = await client.value<number>(`
    select count(*)::int from account
    left join (select debtor as id, sum(amount) as paid from transfer group by 1) d using (id)
    left join (select creditor as id, sum(amount) as got from transfer group by 1) c using (id)
    where balance <> ${balance} - coalesce(paid, 0) + coalesce(got, 0)`);
  t.is(wrong, 0, `backup ${name}: accounts that are not what the transfers made of them`);
  t.is(await client.value('select count(*)::int from account'), accounts, `backup ${name}`);
  const holes = `select count(*)::int from (select max(number) + 1 - count(*) as missing from transfer group by teller)
    each_teller where missing <> 0`;
  t.is(await client.value(holes), 0, `backup ${name}: transfers are missing`);
  const there = await transfers(client);
  t.true(there >= atLeast, `backup ${name}: ${there} of at least ${atLeast} transfers`);
  for (const { claim, holds, found } of await amcheck(client))
    t.true(holds, `backup ${name}: ${claim}: ${found}`);
}

/** Each one that the catalog has can be used, but for one that was just being dropped (-2). */
async function requireDatabases(client: SqlClient, url: (database: string) => string): Promise<void> {
  const names = await client.query<{ datname: string }>(
    'select datname from pg_database where datallowconn and datconnlimit <> -2',
  );
  for (const { datname } of names)
    await withClient(url(datname), (other) => other.query('select count(*) from pg_class'));
}

async function empty(directory: string): Promise<void> {
  for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true });
}
