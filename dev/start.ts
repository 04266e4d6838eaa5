// npm start: a worker against DATABASE_URL; without one, a PostgreSQL server of our own, kept between runs, with
// Holdfast installed. Ctrl-C drains the worker, then stops the server.
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { loadConfig } from '../src/config/config.ts';
import { HoldfastError } from '../src/errors.ts';
import { root } from './root.ts';
import { reachableDirectory } from './embedded/cache.ts';
import { createCluster, type EmbeddedCluster } from './embedded/cluster.ts';
import { holdfast, runWorkerUntilStopped } from './start/worker.ts';

const host = '127.0.0.1';
/** The same at every start, unless somebody else has it. */
const usualPort = 54_318;

try {
  const { control } = loadConfig({ env: process.env });
  process.exitCode = control.url === undefined ? await onOwnServer() : await runWorkerUntilStopped({});
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  if (error instanceof HoldfastError && error.hint !== undefined) console.error(`hint: ${error.hint}`);
  process.exitCode = 1;
}

async function onOwnServer(): Promise<number> {
  const wanted = join(root, '.holdfast');
  const directory = await reachableDirectory(wanted);
  const cluster = await createCluster({
    directory,
    host,
    ...((await isFree(usualPort)) && { port: usualPort }),
  });
  try {
    await cluster.start().catch(explain(directory));
    const labels = join(directory, 'labels');
    await mkdir(labels, { recursive: true });
    const env = {
      DATABASE_URL: cluster.url(),
      HOLDFAST_LABELS: labels,
      HOLDFAST_REPOSITORY: join(directory, 'repository'),
    };
    await holdfast(['install'], env);
    greet(cluster, directory !== wanted ? wanted : undefined);
    return await runWorkerUntilStopped(env);
  } finally {
    const started = cluster.running;
    await cluster.remove();
    if (started) console.log(`PostgreSQL is stopped; its data stays in ${directory}`);
  }
}

function explain(directory: string) {
  return (error: unknown): never => {
    if (!String(error).includes('lock file "postmaster.pid" already exists')) throw error;
    throw new Error(`a server runs on ${directory} already: is there another "npm start"?`);
  };
}

function greet(cluster: EmbeddedCluster, instead: string | undefined): void {
  const url = cluster.url();
  console.log(`
PostgreSQL ${cluster.version} runs on port ${cluster.port}, with Holdfast installed. Its files stay in
  ${cluster.directory}
${instead === undefined ? '' : `(not in ${instead}, which the user that PostgreSQL runs as cannot enter)\n`}
Connect:
  psql ${url}
Then, for example:
  CALL holdfast.start_backup('first', fast => true);   -- copy the files now:
    tar -cf /tmp/first.tar --exclude=postmaster.pid -C ${cluster.dataDirectory} .
  CALL holdfast.stop_backup('first');                  -- backup_label comes back
or have Holdfast copy, into ${join(cluster.directory, 'repository')}:
  INSERT INTO holdfast.backup_request (method, fast) VALUES ('copy', true);
  SELECT state, error FROM holdfast.backup_request ORDER BY id DESC LIMIT 1;

No psql is needed:
  npx holdfast --database-url ${url} start first --fast
  npx holdfast --database-url ${url} stop first
  npx holdfast --database-url ${url} status

Ctrl-C lets the worker finish what it holds (again: ends it), then stops the server.
`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
