// Backups at random moments of a server under a write load with DDL of every kind, every one of them restored.
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { churnTables, churnTablespaces } from '../support/churn.ts';
import { again, rest } from '../support/load.ts';
import { moment } from '../support/moments.ts';
import { repositoryScene, type RepositoryScene } from '../support/repository-scene.ts';
import { noRestore } from '../support/restored-copy.ts';
import type { SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';
import { openAccounts, requireAccounts, transfer, transfers } from '../support/transfers.ts';
import { noArchivingServer } from '../support/wal.ts';

const test = testWhen(noRestore, noArchivingServer).serial;

/** CI makes a few; with TEST_BACKUPS there are as many as it says. */
const asked = Number(process.env['TEST_BACKUPS'] ?? 0);
const accounts = 2000;
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
  const wanted = asked > 0 ? asked : 4;
  await openAccounts(admin, accounts);
  const spaces = await Promise.all([0, 1, 2].map((n) => cluster.serverDirectory(`space-${n}`)));
  const stops = [
    ...Array.from({ length: tellers }, (_, teller) =>
      again(t, db.url, async (client, number) => {
        await transfer(client, accounts, { teller, number });
        await rest(client, 0.01);
      }),
    ),
    again(t, db.url, async (client, round) => {
      await churnTables(client, round);
      await rest(client, 0.1);
    }),
    again(t, cluster.url(), churnDatabases),
    again(t, db.url, (client, round) => churnTablespaces(client, round, spaces, Math.random() * 0.4)),
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
    const url = (database: string) => restored.cluster.url({ database });
    await requireAccounts(t, restored.client, { name: backup.name, accounts, atLeast, url });
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

async function churnDatabases(client: SqlClient, round: number): Promise<void> {
  await client.query(`create database d${round}`);
  if (round > 1) await client.query(`drop database d${round - 2}`);
  await rest(client, 0.5);
}

async function empty(directory: string): Promise<void> {
  for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true });
}
