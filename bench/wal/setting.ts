/** A server with that many segments of WAL from a real load, a repository for each peer, and a user who owns all of it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { createCluster, type EmbeddedCluster } from '../../dev/embedded/cluster.ts';
import { asServerUser, serverIdentity } from '../../dev/embedded/server-user.ts';
import { psqlPath } from '../../dev/harness/psql-path.ts';
import { createRepository } from '../../src/repository/repository-owner.ts';

export interface Setting {
  server: EmbeddedCluster;
  /** The segments to archive, in order. */
  segments: string[];
  repository: string;
  /** Variables that come before a command of ours. */
  variables: string;
  /** pgBackRest with its options; undefined: it is not installed. */
  pgbackrest: string | undefined;
  /** A data directory that recovers, as far as its files and its processes say. */
  recovering: string;
  /** Empties both archives and their spools. */
  clear(): Promise<void>;
  end(): Promise<void>;
}

/** The newest major that Debian 12's pgBackRest knows. */
const version = 15;

export async function makeSetting(count: number, data: string): Promise<Setting> {
  // What commands find in the server's environment: this Node, and not an older one of the system's.
  process.env['PATH'] = [dirname(process.execPath), process.env['PATH']].join(delimiter);
  const server = await createCluster({ version, settings: settingsFor(count) });
  await server.start();
  await load(server, count, data);
  const repository = await server.makeDirectory('repository');
  await createRepository(join(repository, 'main'));
  const pgbackrest = await pgbackrestFor(server);
  const recovering = await recoveringDirectory(server);
  const postmaster = await standIn(recovering);
  const segments = await archivable(server, count);
  const variables = `HOLDFAST_REPOSITORY="${repository}" XDG_CACHE_HOME="${server.directory}/cache"`;
  await server.makeDirectory('cache');
  return {
    server,
    segments,
    repository,
    variables,
    pgbackrest,
    recovering,
    async clear() {
      for (const directory of [join(repository, 'main'), join(server.directory, 'spool', 'archive')])
        await rm(directory, { recursive: true, force: true });
      await createRepository(join(repository, 'main'));
      await rm(join(server.dataDirectory, 'pg_wal', 'pgsql_tmp.holdfast.push'), {
        recursive: true,
        force: true,
      });
      await clearStanza(join(server.directory, 'pgbackrest', 'archive', 'x'));
    },
    async end() {
      postmaster.kill();
      await server.remove();
    },
  };
}

function settingsFor(count: number): Record<string, string> {
  return {
    fsync: 'on',
    shared_buffers: '256MB',
    max_wal_size: '8GB',
    wal_keep_size: `${(count + 40) * 16}MB`,
    archive_command: '',
    max_connections: '50',
  };
}

async function load(server: EmbeddedCluster, count: number, data: string): Promise<void> {
  if (psqlPath === undefined) throw new Error('this needs psql: install postgresql-client');
  const gigabytes = ((count + 4) / 78).toFixed(3); // 1 makes some eighty segments
  await asServerUser.run(psqlPath, ['-X', '-q', '-d', server.url(), '-v', `gb=${gigabytes}`, '-f', data], {
    cwd: '/',
  });
}

/** All have been written to the end, and PostgreSQL has noted that they are to be archived. */
async function archivable(server: EmbeddedCluster, count: number): Promise<string[]> {
  const names = await readdir(join(server.dataDirectory, 'pg_wal', 'archive_status'));
  const segments = names
    .filter((name) => /^[0-9A-F]{24}\.ready$/.test(name))
    .map((name) => name.slice(0, 24))
    .sort()
    .slice(1, count + 1);
  if (segments.length < count) throw new Error(`the load made ${segments.length} segments only`);
  return segments;
}

async function pgbackrestFor(server: EmbeddedCluster): Promise<string | undefined> {
  const command = `pgbackrest --config="${server.directory}/pgbackrest.conf" --stanza=x`;
  for (const name of ['pgbackrest', 'spool', 'lock']) await server.makeDirectory(name);
  const options = {
    'repo1-path': join(server.directory, 'pgbackrest'),
    'spool-path': join(server.directory, 'spool'),
    'lock-path': join(server.directory, 'lock'),
    'log-level-file': 'off',
    'log-level-console': 'error',
    'compress-type': 'zst',
    'compress-level': '1',
    'process-max': '2',
  };
  const lines = Object.entries(options).map(([name, value]) => `${name}=${value}`);
  const own = [
    `pg1-path=${server.dataDirectory}`,
    `pg1-port=${server.port}`,
    'pg1-user=postgres',
    `pg1-socket-path=${server.socketDirectory}`,
  ];
  const text = `[global]\n${lines.join('\n')}\n[x]\n${own.join('\n')}\n`;
  await asServerUser.writeFile(join(server.directory, 'pgbackrest.conf'), text);
  return asServerUser.run('/bin/sh', ['-c', `${command} stanza-create`], { cwd: '/' }).then(
    () => command,
    (error: unknown) => {
      process.stdout.write(`without pgBackRest: ${String(error)}\n`);
      return undefined;
    },
  );
}

async function recoveringDirectory(server: EmbeddedCluster): Promise<string> {
  const directory = await server.makeDirectory('recovering');
  for (const name of ['pg_wal', 'global']) await asServerUser.mkdir(join(directory, name));
  for (const name of ['global/pg_control', 'PG_VERSION'])
    await asServerUser.writeFile(join(directory, name), await readFile(join(server.dataDirectory, name)));
  await asServerUser.writeFile(join(directory, 'recovery.signal'), '');
  return directory;
}

/** The process in postmaster.pid: of the server's user, and working in the directory, as a postmaster does. */
async function standIn(directory: string): Promise<ChildProcess> {
  const child = spawn('sleep', ['infinity'], { cwd: directory, stdio: 'ignore', ...serverIdentity() });
  await once(child, 'spawn');
  await asServerUser.writeFile(join(directory, 'postmaster.pid'), `${child.pid}\n`);
  return child;
}

async function clearStanza(directory: string): Promise<void> {
  for (const history of await readdir(directory).catch((): string[] => [])) {
    if (history.startsWith('archive.info')) continue;
    for (const log of await readdir(join(directory, history)))
      await rm(join(directory, history, log), { recursive: true, force: true });
  }
}
