// Every key of the configuration: its default, and that it arrives from the file and from a variable.
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { loadConfig, type Config, type ConfigInput } from '../../src/config/config.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

async function load(t: ExecutionContext, toml: string, input: Partial<ConfigInput> = {}): Promise<Config> {
  const file = join(await temporaryDirectory(t), 'holdfast.toml');
  await writeFile(file, toml);
  return loadConfig({ file, env: {}, ...input });
}

/** What there is of a cluster of which nothing is said. */
const nothingSaid = {
  url: undefined,
  dataDirectory: undefined,
  archiveDirectory: undefined,
  syncCommand: undefined,
  syncTimeout: 24 * 3_600_000,
  deleteCommand: undefined,
  drillDirectory: undefined,
  onDamagedPage: 'warn',
  pgBin: undefined,
  drillAssertions: undefined,
  drillAssertionTimeout: 5 * 60_000,
  drillPreload: '',
  drillTimeout: 24 * 3_600_000,
};

function settingsOf({
  cluster: _,
  whichCluster: _which,
  ...settings
}: Config): Omit<Config, 'cluster' | 'whichCluster'> {
  return settings;
}

test('without a word of configuration everything has its default', async (t) => {
  t.deepEqual(settingsOf(await load(t, '')), {
    control: { url: undefined, schema: 'holdfast' },
    worker: {
      name: undefined,
      labels: '/var/lib/holdfast/labels',
      repository: '/var/lib/holdfast/repository',
      repositoryIsNamed: false,
      holdTimeout: 12 * 3_600_000,
      maxHoldTimeout: 7 * 86_400_000,
      maxHeld: 20,
      maxHeldByOne: undefined,
      drainTimeout: 10 * 60_000,
      compressLevel: 1,
      jobs: Math.min(4, availableParallelism()),
      maxCopies: 1,
      maxChain: 14,
      walReserve: 2 ** 30,
    },
    wal: { pushAhead: 8 },
    log: { level: 'info', format: 'text' },
    clusters: [{ name: 'main', ...nothingSaid }],
  });
});

test('every key of the file arrives', async (t) => {
  const config = await load(
    t,
    `[control]
     url = "postgres://control/db"
     schema = "backups"
     [worker]
     name = "db7"
     labels = "/l"
     repository = "/r"
     hold_timeout = "1d"
     max_hold_timeout = "2d"
     max_held = 5
     max_held_by_one = 2
     drain_timeout = 0
     compress_level = 3
     jobs = 6
     max_copies_per_requester = 3
     max_chain = 7
     wal_reserve = "512 MB"
     [wal]
     push_ahead = 2
     [log]
     level = "debug"
     format = "json"
     [cluster.db7-a]
     url = "postgresql://a"
     data_directory = "/data/a"
     archive_directory = "/archive/a"
     sync_command = ["/bin/send", "--all"]
     sync_timeout = "2h"
     delete_command = ["/bin/delete"]
     drill_directory = "/drills"
     on_damaged_page = "fail"
     pg_bin = "/pg/bin"
     drill_assertions = "/assertions.sql"
     drill_assertion_timeout = "1 min"
     drill_preload = "timescaledb"
     drill_timeout = "3h"
     [cluster."b.2"]`,
  );
  t.deepEqual(settingsOf(config), {
    control: { url: 'postgres://control/db', schema: 'backups' },
    worker: {
      name: 'db7',
      labels: '/l',
      repository: '/r',
      repositoryIsNamed: true,
      holdTimeout: 86_400_000,
      maxHoldTimeout: 2 * 86_400_000,
      maxHeld: 5,
      maxHeldByOne: 2,
      drainTimeout: 0,
      compressLevel: 3,
      jobs: 6,
      maxCopies: 3,
      maxChain: 7,
      walReserve: 512 * 2 ** 20,
    },
    wal: { pushAhead: 2 },
    log: { level: 'debug', format: 'json' },
    clusters: [
      {
        name: 'db7-a',
        url: 'postgresql://a',
        dataDirectory: '/data/a',
        archiveDirectory: '/archive/a',
        syncCommand: ['/bin/send', '--all'],
        syncTimeout: 2 * 3_600_000,
        deleteCommand: ['/bin/delete'],
        drillDirectory: '/drills',
        onDamagedPage: 'fail',
        pgBin: '/pg/bin',
        drillAssertions: '/assertions.sql',
        drillAssertionTimeout: 60_000,
        drillPreload: 'timescaledb',
        drillTimeout: 3 * 3_600_000,
      },
      { name: 'b.2', ...nothingSaid },
    ],
  });
  t.deepEqual(config.cluster('db7-a'), config.clusters[0]);
  t.deepEqual(config.cluster('elsewhere'), { name: 'elsewhere', ...nothingSaid });
});

test('every key can be a variable, and a variable beats the file', async (t) => {
  const toml = `[control]\nurl = "postgres://file"\nschema = "f"\n[worker]\nlabels = "/file"\nmax_held = 1\n[log]\nlevel = "error"`;
  const env = {
    DATABASE_URL: 'postgres://variable',
    HOLDFAST_SCHEMA: 'v',
    HOLDFAST_NAME: 'v1',
    HOLDFAST_LABELS: '/variable',
    HOLDFAST_REPOSITORY: '/repository',
    HOLDFAST_HOLD_TIMEOUT: '30 min',
    HOLDFAST_MAX_HOLD_TIMEOUT: '1h',
    HOLDFAST_MAX_HELD: '7',
    HOLDFAST_MAX_HELD_BY_ONE: '3',
    HOLDFAST_DRAIN_TIMEOUT: '90s',
    HOLDFAST_COMPRESS_LEVEL: '5',
    HOLDFAST_JOBS: '3',
    HOLDFAST_MAX_COPIES_PER_REQUESTER: '4',
    HOLDFAST_MAX_CHAIN: '9',
    HOLDFAST_WAL_RESERVE: '0',
    HOLDFAST_PUSH_AHEAD: '0',
    HOLDFAST_LOG_LEVEL: 'warning',
    HOLDFAST_LOG_FORMAT: 'json',
    HOLDFAST_CLUSTER_MAIN_URL: 'postgres://main',
    HOLDFAST_CLUSTER_MAIN_DATA_DIRECTORY: '/d',
    HOLDFAST_CLUSTER_MAIN_ARCHIVE_DIRECTORY: '/a',
    HOLDFAST_CLUSTER_MAIN_SYNC_COMMAND: '["/bin/send", "a b"]',
    HOLDFAST_CLUSTER_MAIN_SYNC_TIMEOUT: '0',
    HOLDFAST_CLUSTER_MAIN_DELETE_COMMAND: '["/bin/delete"]',
    HOLDFAST_CLUSTER_MAIN_DRILL_DIRECTORY: '/drills',
    HOLDFAST_CLUSTER_MAIN_ON_DAMAGED_PAGE: 'fail',
    HOLDFAST_CLUSTER_MAIN_PG_BIN: '/pg/bin',
    HOLDFAST_CLUSTER_MAIN_DRILL_ASSERTIONS: '/assertions.sql',
    HOLDFAST_CLUSTER_MAIN_DRILL_ASSERTION_TIMEOUT: '10s',
    HOLDFAST_CLUSTER_MAIN_DRILL_PRELOAD: 'a, b',
    HOLDFAST_CLUSTER_MAIN_DRILL_TIMEOUT: '1h',
  };
  t.deepEqual(settingsOf(await load(t, toml, { env })), {
    control: { url: 'postgres://variable', schema: 'v' },
    worker: {
      name: 'v1',
      labels: '/variable',
      repository: '/repository',
      repositoryIsNamed: true,
      holdTimeout: 30 * 60_000,
      maxHoldTimeout: 3_600_000,
      maxHeld: 7,
      maxHeldByOne: 3,
      drainTimeout: 90_000,
      compressLevel: 5,
      jobs: 3,
      maxCopies: 4,
      maxChain: 9,
      walReserve: 0,
    },
    wal: { pushAhead: 0 },
    log: { level: 'warning', format: 'json' },
    clusters: [
      {
        name: 'main',
        url: 'postgres://main',
        dataDirectory: '/d',
        archiveDirectory: '/a',
        syncCommand: ['/bin/send', 'a b'],
        syncTimeout: 0,
        deleteCommand: ['/bin/delete'],
        drillDirectory: '/drills',
        onDamagedPage: 'fail',
        pgBin: '/pg/bin',
        drillAssertions: '/assertions.sql',
        drillAssertionTimeout: 10_000,
        drillPreload: 'a, b',
        drillTimeout: 3_600_000,
      },
    ],
  });
});
