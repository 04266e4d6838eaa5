// Where the tests' servers come from; TEST_POSTGRES and its like choose the source, no test needs to know which:
//
//   (nothing)                    npm's embedded binaries, TEST_PG_VERSION = 12 to 18; 19: Debian's
//   TEST_POSTGRES=containers     testcontainers, TEST_POSTGRES_IMAGE
//   TEST_POSTGRES_URL=postgres…  a server that is there already (as superuser): a fresh database per test, no more
import { randomBytes } from 'node:crypto';
import { registerCompletionHandler } from 'ava';
import type { Teardown } from '../../dev/harness/children.ts';
import { embeddedCluster } from './sources/embedded.ts';
import { existingServer } from './sources/existing.ts';
import { sharesFiles } from './sources/shares-files.ts';
import { withClient } from './sql-client.ts';
import type { OwnClusterOptions, TestCluster } from './test-cluster.ts';

export type { OwnClusterOptions, TestCluster } from './test-cluster.ts';

const source = process.env['TEST_POSTGRES_URL'] ? 'url' : (process.env['TEST_POSTGRES'] ?? 'embedded');

/** For testWhen(): why tests that restart, configure or break their server cannot run; undefined when they can. */
export const noOwnCluster =
  source === 'url' ? 'TEST_POSTGRES_URL names a server that is not ours to break' : undefined;

/** For testWhen(): why tests that look into the server's files cannot run; undefined when they can. */
export const noServerFiles =
  noOwnCluster ??
  (source === 'containers' && !sharesFiles
    ? "only root sees the files of Docker's servers, and only here"
    : undefined);

async function newCluster(options: OwnClusterOptions = {}): Promise<TestCluster> {
  switch (source) {
    case 'embedded':
      return embeddedCluster(options);
    case 'containers':
      // Half a second to load, which only those who use it should pay.
      return (await import('./sources/containers.ts')).containerCluster(options);
    case 'url':
      return existingServer(process.env['TEST_POSTGRES_URL'] ?? '');
    default:
      throw new Error(`TEST_POSTGRES is "embedded" or "containers", not "${source}"`);
  }
}

let shared: Promise<TestCluster> | undefined;

/** One per test process, for tests that need no more than a database of their own. */
export function sharedCluster(): Promise<TestCluster> {
  if (!shared) {
    const cluster = newCluster({ installed: true });
    shared = cluster;
    registerCompletionHandler(() => void cluster.then((it) => it.remove()).catch(() => {}));
  }
  return shared;
}

export async function isShared(cluster: TestCluster): Promise<boolean> {
  return cluster === (await shared);
}

/** One for this test alone, to restart, configure and break. */
export async function ownCluster(t: Teardown, options: OwnClusterOptions = {}): Promise<TestCluster> {
  if (noOwnCluster) {
    throw new Error(
      `this test needs a server of its own (${noOwnCluster}): declare it with testWhen(noOwnCluster)`,
    );
  }
  const cluster = await newCluster(options);
  t.teardown(() => cluster.remove());
  return cluster;
}

export interface DatabaseOptions {
  template?: string;
  encoding?: string;
  locale?: string;
}

/** A database of the test's own, dropped when it ends, whoever is still connected. */
export async function freshDatabase(
  t: Teardown,
  cluster?: TestCluster,
  options: DatabaseOptions = {},
): Promise<{ name: string; url: string }> {
  const server = cluster ?? (await sharedCluster());
  const shares = await isShared(server);
  const name = `test_${randomBytes(6).toString('hex')}`;
  // Half the work: the other strategy, which 15 brought, writes ten megabytes of WAL, and the checkpoint here is soon over.
  const strategy = shares && server.version >= 15 ? 'strategy file_copy' : '';
  await withClient(server.url(), (client) =>
    client.query(`create database ${name} ${createOptions(options)} ${strategy}`),
  );
  // A test's own cluster is removed as a whole, and may be down by then.
  if (shares) t.teardown(() => dropDatabase(server, name));
  return { name, url: server.url({ database: name }) };
}

function createOptions({ encoding, locale, template }: DatabaseOptions): string {
  const from = template ?? (encoding || locale ? 'template0' : undefined);
  return [
    from && `template ${from}`,
    encoding && `encoding '${encoding}'`,
    locale && `lc_collate '${locale}' lc_ctype '${locale}'`,
  ]
    .filter(Boolean)
    .join(' ');
}

function dropDatabase(server: TestCluster, name: string): Promise<void> {
  return withClient(server.url(), async (client) => {
    if (server.version >= 13) {
      await client.query(`drop database ${name} with (force)`);
      return;
    }
    await client.query(`alter database ${name} allow_connections false`);
    await client.query(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`);
    // Waits for those sessions, up to five seconds.
    await client.query(`drop database ${name}`);
  });
}
