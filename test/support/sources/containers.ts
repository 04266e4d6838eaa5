// Servers in containers: the official image of TEST_PG_VERSION, or TEST_POSTGRES_IMAGE, which must take the same
// variables and arguments (../../containers makes one).
//
// Where this process may read other users' files and shares the file system with Docker, the server's directory is
// mounted under one path inside and outside, so that tests find its data directory where the server says it is.
import { chmod, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { GenericContainer, Wait, getContainerRuntimeClient, type StartedTestContainer } from 'testcontainers';
import { usual } from '../../../dev/embedded/binaries.ts';
import { scratchDirectory } from '../../../dev/embedded/cache.ts';
import { freePort } from '../../../dev/embedded/ports.ts';
import { defaultSettings, settingLines } from '../../../dev/embedded/settings.ts';
import type { OwnClusterOptions, TestCluster } from '../test-cluster.ts';
import { eventually } from '../eventually.ts';
import { withClient } from '../sql-client.ts';
import { alterSystem, wakeArchiver } from './settings.ts';
import { sharesFiles } from './shares-files.ts';

const configFile = '/etc/holdfast-test.conf';
export async function containerCluster(options: OwnClusterOptions): Promise<TestCluster> {
  const scratch = sharesFiles ? await scratchDirectory() : undefined;
  // The server's user inside has another number than the one outside.
  if (scratch) await chmod(scratch, 0o755);
  const directory = scratch ?? '/var/lib/postgresql';
  const archive = join(directory, 'archive');
  const failureFlag = join(archive, '.archiving-fails');
  const port = await freePort();
  const container = await new GenericContainer(imageFor(options.version))
    .withEnvironment({
      PGDATA: join(directory, 'data'),
      POSTGRES_HOST_AUTH_METHOD: 'trust',
      POSTGRES_INITDB_ARGS: ['-E', 'UTF8', '--no-locale', '--no-sync', ...(options.initdb ?? [])].join(' '),
    })
    // In a file, because ALTER SYSTEM could not change what the command line says.
    .withCopyContentToContainer([
      {
        content: settingLines({
          ...defaultSettings(archive, failureFlag),
          listen_addresses: '*',
          ...options.settings,
        }),
        target: configFile,
      },
    ])
    .withCommand(['postgres', '-c', `config_file=${configFile}`])
    .withBindMounts(scratch ? [{ source: scratch, target: scratch }] : [])
    // A chosen port, since Docker would choose another one at every start.
    .withExposedPorts({ container: 5432, host: port })
    .withWaitStrategy(Wait.forLogMessage(/database system is ready to accept connections/))
    .start();

  const asRoot = (command: string[]) => execute(container, command);
  const makeDirectory = (path: string) =>
    asRoot(['install', '-d', '-o', 'postgres', '-g', 'postgres', '-m', '755', path]);
  await makeDirectory(archive);

  const url: TestCluster['url'] = ({ database = 'postgres', user = 'postgres', password } = {}) => {
    const login = [user, ...(password === undefined ? [] : [password])].map(encodeURIComponent).join(':');
    return `postgres://${login}@${container.getHost()}:${port}/${encodeURIComponent(database)}`;
  };
  const docker = (await getContainerRuntimeClient()).container.getById(container.getId());
  let running = true;

  const stop: TestCluster['stop'] = async (mode = 'fast') => {
    if (!running) return;
    running = false;
    const stopped = docker.wait();
    await docker.kill({ signal: mode === 'fast' ? 'SIGINT' : 'SIGQUIT' });
    await stopped;
  };
  const start = async () => {
    await docker.start();
    running = true;
    await untilItAnswers(url());
  };
  const restart: TestCluster['restart'] = async (mode) => {
    await stop(mode);
    await start();
  };

  const version = await untilItAnswers(url());
  if (options.version !== undefined && options.version !== version) {
    await container.stop({ timeout: 0 });
    throw new Error(
      `this test asks for PostgreSQL ${options.version}, and TEST_POSTGRES_IMAGE is of ${version}`,
    );
  }
  return {
    version,
    dataDirectory: scratch && join(scratch, 'data'),
    archiveDirectory: scratch && archive,
    url,
    stop,
    start,
    restart,
    async configure(settings) {
      if (await alterSystem(url(), settings)) await restart();
    },
    archiving: {
      fail: () => asRoot(['touch', failureFlag]),
      async recover() {
        await asRoot(['rm', '-f', failureFlag]);
        await wakeArchiver(url());
      },
    },
    async serverDirectory(name) {
      if (typeof name !== 'string') throw new Error('Docker takes no path that is not text');
      const path = join(directory, name) as typeof name;
      await makeDirectory(path);
      return path;
    },
    async remove() {
      await container.stop({ timeout: 0, remove: true, removeVolumes: true });
      if (scratch) await rm(scratch, { recursive: true, force: true });
    },
  };
}

function imageFor(version = Number(process.env['TEST_PG_VERSION'] ?? usual)): string {
  return process.env['TEST_POSTGRES_IMAGE'] ?? `postgres:${version}`;
}

async function execute(container: StartedTestContainer, command: string[]): Promise<void> {
  const { exitCode, output } = await container.exec(command);
  if (exitCode !== 0)
    throw new Error(`in the container, ${command.join(' ')} ended with ${exitCode}: ${output}`);
}

/** The major version, once there is a server to say it: the port is open before that, it is Docker's. */
function untilItAnswers(url: string): Promise<number> {
  const ask = () =>
    withClient(url, (client) =>
      client.value<number>(`select current_setting('server_version_num')::int / 10000`),
    );
  return eventually('the server in the container answers', () => ask().catch(() => undefined));
}
