// Chains at random moments of a server under a write load with DDL of every kind. Every link is restored, and combined by
// PostgreSQL's own pg_combinebackup as well: both have the same relations, and what was restored is started, and whole.
import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { usual } from '../../dev/embedded/binaries.ts';
import { noTool } from '../../dev/debian/postgres-tools.ts';
import { createCluster, type EmbeddedCluster, type Major } from '../../dev/embedded/cluster.ts';
import { runProcess } from '../../dev/harness/children.ts';
import { chainScene, combined, extractedLinks, summarizing, type ChainScene } from '../support/chains.ts';
import {
  churnBig,
  churnDatabases,
  churnQueue,
  churnTables,
  churnTablespaces,
  makeBig,
} from '../support/churn.ts';
import { noCopies, started, type StoredCopy } from '../support/copies.ts';
import { eventually } from '../support/eventually.ts';
import { again } from '../support/load.ts';
import { holdfast } from '../support/process.ts';
import type { SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';
import { openAccounts, requireAccounts, transfer, transfers } from '../support/transfers.ts';

const accounts = 5000;
const tellers = 2;
/**
 * CI makes one chain, on one major; with TEST_CHAINS there are as many as it says, on each major, and a relation of more
 * than one file.
 */
const asked = Number(process.env['TEST_CHAINS'] ?? 0);
const chains = asked > 0 ? asked : 1;
const longestChain = asked > 0 ? 5 : 3;

interface TakenChain {
  links: StoredCopy[];
  /** Of each link, the transfers that had been committed before it was requested. */
  committed: number[];
}

for (const version of asked > 0 ? summarizing : [usual]) {
  testWhen(noCopies, noTool(version, 'pg_combinebackup')).serial(
    `on ${version} each ${asked > 0 ? 'link' : 'incremental link'} of ${chains === 1 ? 'a chain' : `${chains} chains`} at random moments of a load with DDL is restored as pg_combinebackup combines it, and is whole`,
    async (t) => {
      t.timeout(3_600_000);
      // The server archives elsewhere, and keeps the WAL for as long as a copy takes.
      const settings = { wal_keep_size: '2GB' };
      const scene = await chainScene(t, { version, settings, initdb: ['--data-checksums'] });
      const { admin, cluster, db } = scene;
      await openTables(admin);
      if (asked > 0) await makeBig(admin);
      const spaces = await Promise.all([0, 1, 2].map((n) => cluster.serverDirectory(`space-${n}`)));
      const stops = [
        ...Array.from({ length: tellers }, (_, teller) =>
          again(t, db.url, (client, number) => transfer(client, accounts, { teller, number })),
        ),
        again(t, db.url, churnTables),
        again(t, db.url, churnQueue),
        again(t, cluster.url(), churnDatabases),
        again(t, db.url, (client, round) => churnTablespaces(client, round, spaces)),
        ...(asked > 0 ? [again(t, db.url, churnBig)] : []),
      ];
      const taken: TakenChain[] = [];
      while (taken.length < chains) taken.push(await takeChain(scene));
      await Promise.all(stops.map((stop) => stop()));
      // What is restored makes tablespaces in the very directories where they were.
      await cluster.stop();

      for (const { links, committed } of taken) {
        const extracted = await extractedLinks(t, links);
        for (const [number, link] of links.entries()) {
          // Full copies under such a load have a test of their own.
          if (number === 0 && asked === 0) continue;
          for (const space of spaces) await empty(space);
          const restored = await restoredLink(t, scene, link);
          const other = await combined(
            t,
            links.slice(0, number + 1),
            version,
            extracted.slice(0, number + 1),
          );
          await requireSameFiles(t, restored, other, link);
          await other.remove();
          await requireWhole(t, restored, db.name, {
            name: link.row.id,
            atLeast: committed[number] ?? 0,
          });
          await restored.remove();
        }
        for (const directory of extracted) await rm(dirname(directory), { recursive: true, force: true });
      }
      await cluster.start();
    },
  );
}

async function takeChain({ admin, copy, increment }: ChainScene): Promise<TakenChain> {
  const chain: TakenChain = { links: [], committed: [] };
  const length = asked > 0 ? 1 + Math.floor(Math.random() * longestChain) : longestChain;
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

async function restoredLink(
  t: ExecutionContext,
  { cluster: { version }, repository }: ChainScene,
  { row, description }: StoredCopy,
): Promise<EmbeddedCluster> {
  const cluster = await createCluster({ version: version as Major, empty: true });
  t.teardown(() => cluster.remove());
  const args = ['restore', row.id, '--repository', repository, '--to', cluster.dataDirectory];
  args.push(
    '--target-immediate',
    '--target-action',
    'promote',
    '--restore-command',
    'false',
    '--no-archiving',
  );
  args.push('--tablespaces-as-they-were'); // those that recovery makes
  for (const { oid } of description.tablespaces)
    args.push('--tablespace', `${oid}=${await cluster.makeDirectory(`space-${oid}`)}`);
  const { status, stderr } = await holdfast(args);
  if (status !== 0) throw new Error(`backup ${row.id} is not restored: ${stderr}`);
  return cluster;
}

/** What a restore adds by itself, and what the test says to the server. */
const ownFiles = [
  'pg_wal',
  'pg_tblspc',
  'tablespace_map',
  'backup_manifest',
  'recovery.signal',
  'postgresql*.conf',
];

async function requireSameFiles(
  t: ExecutionContext,
  restored: EmbeddedCluster,
  other: EmbeddedCluster,
  { row, description }: StoredCopy,
): Promise<void> {
  const spaces = description.tablespaces.map(({ oid }) => `space-${oid}`);
  const places = [basename(restored.dataDirectory), ...spaces];
  for (const place of places) {
    const [one, two] = [restored, other].map(({ directory }) => join(directory, place)) as [string, string];
    const { stdout, stderr } = await runProcess('diff', [
      '-rq',
      ...ownFiles.flatMap((name) => ['-x', name]),
      one,
      two,
    ]);
    t.is(stdout + stderr, '', `backup ${row.id} as it is restored and as pg_combinebackup combines it`);
  }
}

async function openTables(client: SqlClient): Promise<void> {
  await openAccounts(client, accounts, 200);
  await client.query(`
    create table queue (n int primary key, filler text default repeat('q', 500));
    create table queue_length (rows int not null);
    insert into queue_length values (0)`);
}

async function requireWhole(
  t: ExecutionContext,
  cluster: EmbeddedCluster,
  database: string,
  { name, atLeast }: { name: string; atLeast: number },
): Promise<void> {
  const client = await started(t, cluster, database);
  await eventually('it is a primary', () => client.value('select not pg_is_in_recovery()'));
  const url = (other: string) => cluster.url({ database: other });
  await requireAccounts(t, client, { name, accounts, atLeast, url });
  for (const table of ['queue', ...(asked > 0 ? ['big'] : [])]) {
    const lacking = `select rows - (select count(*) from ${table}) from ${table}_length`;
    t.is(Number(await client.value(lacking)), 0, `backup ${name}: rows of ${table}`);
  }
  await client.close();
}

async function empty(directory: string): Promise<void> {
  for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true });
}
