/** All keys of the configuration. Each key is defined once, for reading, checking and documentation. */
import { logLevels, type LogLevel } from '../log.ts';
import {
  absolutePath,
  byteSize,
  clusterName,
  duration,
  libraries,
  name,
  oneOf,
  positiveDuration,
  positiveInteger,
  postgresUrl,
  schemaName,
  wholeNumber,
  words,
  type ValueFormat,
} from './value-formats.ts';

/** A key of the configuration. */
export interface ConfigKey<T> {
  /** The table and the key in the file. */
  path: string;
  /** The environment variable. `<NAME>` stands for the name of a cluster. */
  variable: string;
  /** The option on the command line. */
  flag?: string;
  format: ValueFormat<T>;
  /** The default, as a user would write it; undefined means that there is none. */
  default: string | undefined;
  help: string;
}

/** The keys outside the blocks of clusters. */
export const keys = {
  controlUrl: {
    path: 'control.url',
    variable: 'DATABASE_URL',
    flag: '--database-url',
    format: postgresUrl,
    default: undefined,
    help: "the control database; without it, libpq's variables and .pgpass",
  } satisfies ConfigKey<string>,
  schema: {
    path: 'control.schema',
    variable: 'HOLDFAST_SCHEMA',
    flag: '--schema',
    format: schemaName,
    default: 'holdfast',
    help: 'the schema that Holdfast is installed in; the names of its roles begin with it',
  } satisfies ConfigKey<string>,
  name: {
    path: 'worker.name',
    variable: 'HOLDFAST_NAME',
    format: name,
    default: undefined,
    help: "the worker's name; without one, the host's, with a number where that is taken",
  } satisfies ConfigKey<string>,
  labels: {
    path: 'worker.labels',
    variable: 'HOLDFAST_LABELS',
    format: absolutePath,
    default: '/var/lib/holdfast/labels',
    help: 'the directory where every backup_label and tablespace_map is kept',
  } satisfies ConfigKey<string>,
  repository: {
    path: 'worker.repository',
    variable: 'HOLDFAST_REPOSITORY',
    flag: '--repository',
    format: absolutePath,
    default: '/var/lib/holdfast/repository',
    help: 'the directory for backups and WAL that Holdfast copies itself',
  } satisfies ConfigKey<string>,
  holdTimeout: {
    path: 'worker.hold_timeout',
    variable: 'HOLDFAST_HOLD_TIMEOUT',
    format: duration,
    default: '12h',
    help: 'how long a backup may be running where its request does not say; 0: no limit',
  } satisfies ConfigKey<number>,
  maxHoldTimeout: {
    path: 'worker.max_hold_timeout',
    variable: 'HOLDFAST_MAX_HOLD_TIMEOUT',
    format: duration,
    default: '7d',
    help: 'how long it may be running whatever its request says; 0: no limit',
  } satisfies ConfigKey<number>,
  maxHeld: {
    path: 'worker.max_held',
    variable: 'HOLDFAST_MAX_HELD',
    format: positiveInteger(10_000),
    default: '20',
    help: 'how many backup sessions are held at once; further requests wait',
  } satisfies ConfigKey<number>,
  maxHeldByOne: {
    path: 'worker.max_held_by_one',
    variable: 'HOLDFAST_MAX_HELD_BY_ONE',
    format: positiveInteger(10_000),
    default: undefined,
    help: 'how many of them one requester holds; without it, half',
  } satisfies ConfigKey<number>,
  drainTimeout: {
    path: 'worker.drain_timeout',
    variable: 'HOLDFAST_DRAIN_TIMEOUT',
    format: duration,
    default: '10 min',
    help: 'how long a worker that is told to stop waits for the backups it holds',
  } satisfies ConfigKey<number>,
  compressLevel: {
    path: 'worker.compress_level',
    variable: 'HOLDFAST_COMPRESS_LEVEL',
    format: positiveInteger(19),
    default: '1',
    help: 'the zstd level of what goes into the repository',
  } satisfies ConfigKey<number>,
  jobs: {
    path: 'worker.jobs',
    variable: 'HOLDFAST_JOBS',
    format: positiveInteger(64),
    default: undefined,
    help: 'how many threads copy a backup with method copy; without it, as many as there are processors, 4 at most',
  } satisfies ConfigKey<number>,
  maxCopies: {
    path: 'worker.max_copies_per_requester',
    variable: 'HOLDFAST_MAX_COPIES_PER_REQUESTER',
    format: positiveInteger(10_000),
    default: '1',
    help: 'how many copies of one cluster a requester has under way at once; the next one waits',
  } satisfies ConfigKey<number>,
  maxChain: {
    path: 'worker.max_chain',
    variable: 'HOLDFAST_MAX_CHAIN',
    format: positiveInteger(1000),
    default: '14',
    help: 'how many incremental copies follow a full one at most; the next is a full copy again',
  } satisfies ConfigKey<number>,
  walReserve: {
    path: 'worker.wal_reserve',
    variable: 'HOLDFAST_WAL_RESERVE',
    format: byteSize,
    default: '1GB',
    help: "how much of the repository's disk is kept for WAL: no copy starts that would take from it, and one that comes to it ends",
  } satisfies ConfigKey<number>,
  walCluster: {
    path: 'wal.cluster',
    variable: 'HOLDFAST_CLUSTER',
    flag: '--cluster',
    format: clusterName,
    default: undefined,
    help: 'the cluster whose WAL "holdfast wal" archives and fetches, and that other commands are about which have --cluster <name>; without it, the only cluster configured, or main',
  } satisfies ConfigKey<string>,
  pushAhead: {
    path: 'wal.push_ahead',
    variable: 'HOLDFAST_PUSH_AHEAD',
    format: wholeNumber(0, 1000),
    default: '8',
    help: 'how many segments that wait are archived ahead of the archiver, by a worker on its host and by "holdfast wal push"; 0: none',
  } satisfies ConfigKey<number>,
  fetchAhead: {
    path: 'wal.fetch_ahead',
    variable: 'HOLDFAST_FETCH_AHEAD',
    format: wholeNumber(0, 1000),
    default: '8',
    help: 'how many segments "holdfast wal fetch" makes ready ahead of replay, in pg_wal; 0: none',
  } satisfies ConfigKey<number>,
  logLevel: {
    path: 'log.level',
    variable: 'HOLDFAST_LOG_LEVEL',
    format: oneOf(logLevels),
    default: 'info',
    help: 'how much the worker says on standard error',
  } satisfies ConfigKey<LogLevel>,
  logFormat: {
    path: 'log.format',
    variable: 'HOLDFAST_LOG_FORMAT',
    format: oneOf(['text', 'json']),
    default: 'text',
    help: 'for people or for programs',
  } satisfies ConfigKey<'text' | 'json'>,
};

/**
 * The keys in a block `[cluster.<name>]`. In a variable, the name is in capitals, with `_` instead of `.` and
 * `-`.
 */
export const clusterKeys = {
  url: {
    path: 'cluster.<name>.url',
    variable: 'HOLDFAST_CLUSTER_<NAME>_URL',
    format: postgresUrl,
    default: undefined,
    help: 'where its backup sessions are held; without it, the control database',
  } satisfies ConfigKey<string>,
  dataDirectory: {
    path: 'cluster.<name>.data_directory',
    variable: 'HOLDFAST_CLUSTER_<NAME>_DATA_DIRECTORY',
    format: absolutePath,
    default: undefined,
    help: 'its data directory as this host sees it; without it, what its server says',
  } satisfies ConfigKey<string>,
  archiveDirectory: {
    path: 'cluster.<name>.archive_directory',
    variable: 'HOLDFAST_CLUSTER_<NAME>_ARCHIVE_DIRECTORY',
    format: absolutePath,
    default: undefined,
    help: 'where its archived WAL can be read, if it can',
  } satisfies ConfigKey<string>,
  syncCommand: {
    path: 'cluster.<name>.sync_command',
    variable: 'HOLDFAST_CLUSTER_<NAME>_SYNC_COMMAND',
    format: words,
    default: undefined,
    help: 'sends what is in its working directory off-site; the timestamps of the backup and of the present are added to its arguments; without it, nothing is sent',
  } satisfies ConfigKey<string[]>,
  syncTimeout: {
    path: 'cluster.<name>.sync_timeout',
    variable: 'HOLDFAST_CLUSTER_<NAME>_SYNC_TIMEOUT',
    format: duration,
    default: '24h',
    help: 'how long one run of it may take; 0: no limit',
  } satisfies ConfigKey<number>,
  deleteCommand: {
    path: 'cluster.<name>.delete_command',
    variable: 'HOLDFAST_CLUSTER_<NAME>_DELETE_COMMAND',
    format: words,
    default: undefined,
    help: 'removes a copy that is not in the repository when it has expired; without it, those stay',
  } satisfies ConfigKey<string[]>,
  drillDirectory: {
    path: 'cluster.<name>.drill_directory',
    variable: 'HOLDFAST_CLUSTER_<NAME>_DRILL_DIRECTORY',
    format: absolutePath,
    default: undefined,
    help: 'where its backups are restored to for a drill, each in a directory of its own that is removed afterwards; without it, there are no drills',
  } satisfies ConfigKey<string>,
  onDamagedPage: {
    path: 'cluster.<name>.on_damaged_page',
    variable: 'HOLDFAST_CLUSTER_<NAME>_ON_DAMAGED_PAGE',
    format: oneOf(['warn', 'fail']),
    default: 'warn',
    help: 'what becomes of a copy in which the checksum of a page is wrong: it is kept with a warning, or it fails',
  } satisfies ConfigKey<'warn' | 'fail'>,
  pgBin: {
    path: 'cluster.<name>.pg_bin',
    variable: 'HOLDFAST_CLUSTER_<NAME>_PG_BIN',
    format: absolutePath,
    default: undefined,
    help: "the directory of PostgreSQL's programs, in its version; without it, the usual places, and where the servers that run here have theirs",
  } satisfies ConfigKey<string>,
  drillAssertions: {
    path: 'cluster.<name>.drill_assertions',
    variable: 'HOLDFAST_CLUSTER_<NAME>_DRILL_ASSERTIONS',
    format: absolutePath,
    default: undefined,
    help: 'a file of SQL with what must be true after a drill has recovered a backup',
  } satisfies ConfigKey<string>,
  drillAssertionTimeout: {
    path: 'cluster.<name>.drill_assertion_timeout',
    variable: 'HOLDFAST_CLUSTER_<NAME>_DRILL_ASSERTION_TIMEOUT',
    format: positiveDuration,
    default: '5 min',
    help: 'how long each of them may take',
  } satisfies ConfigKey<number>,
  drillPreload: {
    path: 'cluster.<name>.drill_preload',
    variable: 'HOLDFAST_CLUSTER_<NAME>_DRILL_PRELOAD',
    format: libraries,
    default: '',
    help: 'shared_preload_libraries of the server that a drill starts: only those without which it cannot recover',
  } satisfies ConfigKey<string>,
  drillTimeout: {
    path: 'cluster.<name>.drill_timeout',
    variable: 'HOLDFAST_CLUSTER_<NAME>_DRILL_TIMEOUT',
    format: positiveDuration,
    default: '24h',
    help: 'how long a drill may take',
  } satisfies ConfigKey<number>,
};

/** All keys, in the order of the documentation. */
export const allKeys: ConfigKey<unknown>[] = [...Object.values(keys), ...Object.values(clusterKeys)];
