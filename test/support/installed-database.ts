// A database of the test's own with Holdfast in it, copied from one into which it was installed once per process;
// and logins that are members of its roles.
import { randomBytes } from 'node:crypto';
import { registerCompletionHandler } from 'ava';
import type { Teardown } from '../../dev/harness/children.ts';
import { freshDatabase, isShared, sharedCluster, type TestCluster } from './cluster.ts';
import { installInto } from '../../dev/harness/install-into.ts';
import { confirmOrigin } from './sources/installed-template.ts';
import { connect, openClient, type SqlClient } from './sql-client.ts';

export interface InstalledDatabase {
  readonly name: string;
  /** As the superuser. */
  readonly url: string;
  readonly cluster: TestCluster;
}

export type HoldfastRole = 'reader' | 'requester' | 'operator' | 'worker';

/** On the shared cluster, unless another one is given. The schema is holdfast. */
export async function installedDatabase(t: Teardown, cluster?: TestCluster): Promise<InstalledDatabase> {
  const server = cluster ?? (await sharedCluster());
  if (await isShared(server)) {
    const database = await freshDatabase(t, server, { template: await sharedTemplate() });
    await confirmOrigin(database.url);
    return { ...database, cluster: server };
  }
  const there = await takeInstalled(server);
  if (there !== undefined) return { ...there, cluster: server };
  const database = await freshDatabase(t, server);
  await installInto(database.url);
  return { ...database, cluster: server };
}

const taken = new WeakSet<TestCluster>();

/** The one that the cluster came with, under a name of its own; undefined where there is none, or no longer. */
async function takeInstalled(cluster: TestCluster): Promise<{ name: string; url: string } | undefined> {
  if (cluster.installedDatabase === undefined || taken.has(cluster)) return undefined;
  taken.add(cluster);
  const name = `test_${randomBytes(6).toString('hex')}`;
  await administer(cluster.url(), `alter database ${cluster.installedDatabase} rename to ${name}`);
  return { name, url: cluster.url({ database: name }) };
}

let template: Promise<string> | undefined;

function sharedTemplate(): Promise<string> {
  template ??= makeTemplate();
  return template;
}

async function makeTemplate(): Promise<string> {
  const cluster = await sharedCluster();
  if (cluster.installedDatabase !== undefined) return cluster.installedDatabase;
  const name = `template_${randomBytes(6).toString('hex')}`;
  await administer(cluster.url(), `create database ${name}`);
  await installInto(cluster.url({ database: name }));
  // Servers of our own are removed as a whole.
  if (cluster.dataDirectory === undefined) {
    registerCompletionHandler(() => void administer(cluster.url(), `drop database ${name}`));
  }
  return name;
}

export interface Login extends SqlClient {
  readonly role: string;
  /** For more connections of the same login. */
  readonly url: string;
}

/** A connection of a new login role that is a member of these roles. */
export async function asRole(
  t: Teardown,
  db: InstalledDatabase,
  ...memberOf: HoldfastRole[]
): Promise<Login> {
  const role = `${memberOf[0] ?? 'nobody'}_${randomBytes(4).toString('hex')}`;
  const granted = memberOf.map((name) => `grant holdfast_${name} to ${role}`);
  await administer(db.url, [`create role ${role} login`, ...granted].join('; '));
  t.teardown(() => administer(db.url, `drop owned by ${role} cascade; drop role ${role}`));

  const url = db.cluster.url({ database: db.name, user: role });
  return { ...(await connect(t, url)), role, url };
}

async function administer(url: string, statements: string): Promise<void> {
  const client = await openClient(url);
  try {
    for (const statement of statements.split('; ')) await client.query(statement);
  } finally {
    await client.close();
  }
}
