/** The configuration: read from options, variables and one file, and checked in this file only. */
import { availableParallelism } from 'node:os';
import type { LogLevel } from '../log.ts';
import { readConfigFile } from './config-file.ts';
import { clusterKeys, keys, type ConfigKey } from './config-keys.ts';
import { parseSetting, type ConfigSetting } from './config-settings.ts';
import { readVariables } from './config-variables.ts';
import { whichCluster } from './which-cluster.ts';

/** The settings of one cluster. */
export interface ClusterConfig {
  name: string;
  /** The connection to the server of the backup sessions; undefined means the control database. */
  url: string | undefined;
  /** The data directory as this host sees it; undefined means the directory that the server reports. */
  dataDirectory: string | undefined;
  /** The directory with archived WAL, if this host can read it; undefined means none. */
  archiveDirectory: string | undefined;
  /** A program and its first arguments; undefined means that nothing is sent off-site. */
  syncCommand: string[] | undefined;
  /** Milliseconds; 0 means no limit. */
  syncTimeout: number;
  /** A program and its arguments; undefined means that expired copies outside the repository stay. */
  deleteCommand: string[] | undefined;
  /** The directory to restore to; undefined means that there are no drills. */
  drillDirectory: string | undefined;
  /** Whether a copy with a damaged page is kept with a warning, or fails. */
  onDamagedPage: 'warn' | 'fail';
  /** The directory of PostgreSQL's programs; undefined means that the directory is searched for. */
  pgBin: string | undefined;
  /** A file of SQL; undefined means none. */
  drillAssertions: string | undefined;
  /** Milliseconds. */
  drillAssertionTimeout: number;
  /** shared_preload_libraries of the server that a drill starts. */
  drillPreload: string;
  /** Milliseconds. */
  drillTimeout: number;
}

/** The whole configuration. */
export interface Config {
  control: {
    /** undefined means libpq's variables and .pgpass. */
    url: string | undefined;
    schema: string;
  };
  worker: {
    /** The name of the worker; undefined means the name of the host, with a number if that name is taken. */
    name: string | undefined;
    /** The label directory. */
    labels: string;
    repository: string;
    /** Whether the repository is configured. false means the default. */
    repositoryIsNamed: boolean;
    /** Milliseconds; 0 means no limit. */
    holdTimeout: number;
    /** The largest hold_timeout of a request, in milliseconds; 0 means no cap. */
    maxHoldTimeout: number;
    /** The most backup sessions at a time. */
    maxHeld: number;
    /** The most sessions of one requester; undefined means half of `maxHeld`. */
    maxHeldByOne: number | undefined;
    /** Milliseconds. */
    drainTimeout: number;
    /** The zstd level of the repository. */
    compressLevel: number;
    /** Threads that copy and compress a backup. */
    jobs: number;
    /** The most running copies of one cluster per requester. */
    maxCopies: number;
    /** The most incremental copies in a chain. */
    maxChain: number;
    /** Bytes of the repository's disk that copies leave free for WAL. */
    walReserve: number;
  };
  wal: {
    /** Segments that a worker archives ahead of the archiver; 0 means none. */
    pushAhead: number;
  };
  log: { level: LogLevel; format: 'text' | 'json' };
  /** At least one. */
  clusters: ClusterConfig[];
  /** The settings of any cluster, also of a cluster without a block in the file. */
  cluster: (name: string) => ClusterConfig;
  /**
   * The cluster of a command that is for one cluster; `option` is `--cluster`.
   * @throws HoldfastError of kind `usage`
   */
  whichCluster: (option: string | undefined) => string;
}

/** The sources of the configuration. */
export interface ConfigInput {
  /** The configuration file; undefined means HOLDFAST_CONFIG, then /etc/holdfast.toml if that file exists. */
  file?: string | undefined;
  env: NodeJS.ProcessEnv;
  databaseUrl?: string | undefined;
  schema?: string | undefined;
}

/**
 * Loads the configuration. An option overrides a variable, and a variable overrides the file.
 * @throws HoldfastError of kind `usage`
 */
export function loadConfig({ file, env, databaseUrl, schema }: ConfigInput): Config {
  const fromFile = readConfigFile(file ?? (env['HOLDFAST_CONFIG'] || undefined));
  const fromVariables = readVariables(env, [...fromFile.clusters.keys()]);
  const fromOptions = new Map<string, unknown>([
    [keys.controlUrl.path, databaseUrl],
    [keys.schema.path, schema],
  ]);

  const find = (key: ConfigKey<unknown>): ConfigSetting | undefined => {
    const option = fromOptions.get(key.path);
    if (option !== undefined) return { value: option, from: key.flag ?? 'an option' };
    return fromVariables.general.get(key.path) ?? fromFile.general.get(key.path) ?? standard(key);
  };
  const optional = <T>(key: ConfigKey<T>): T | undefined => parsed(key, find(key));
  const required = <T>(key: ConfigKey<T>): T => optional(key) as T;

  const clusterNames = new Set([...fromFile.clusters.keys(), ...fromVariables.clusters.keys()]);
  const cluster = (name: string): ClusterConfig => {
    const ofCluster = <T>(key: ConfigKey<T>) => {
      const setting =
        fromVariables.clusters.get(name)?.get(key.path) ??
        fromFile.clusters.get(name)?.get(key.path) ??
        standard(key);
      return parsed(key, setting, key.path.replace('<name>', name));
    };
    return {
      name,
      url: ofCluster(clusterKeys.url),
      dataDirectory: ofCluster(clusterKeys.dataDirectory),
      archiveDirectory: ofCluster(clusterKeys.archiveDirectory),
      syncCommand: ofCluster(clusterKeys.syncCommand),
      syncTimeout: ofCluster(clusterKeys.syncTimeout) as number,
      deleteCommand: ofCluster(clusterKeys.deleteCommand),
      drillDirectory: ofCluster(clusterKeys.drillDirectory),
      onDamagedPage: ofCluster(clusterKeys.onDamagedPage) as 'warn' | 'fail',
      pgBin: ofCluster(clusterKeys.pgBin),
      drillAssertions: ofCluster(clusterKeys.drillAssertions),
      drillAssertionTimeout: ofCluster(clusterKeys.drillAssertionTimeout) as number,
      drillPreload: ofCluster(clusterKeys.drillPreload) as string,
      drillTimeout: ofCluster(clusterKeys.drillTimeout) as number,
    };
  };

  return {
    control: { url: optional(keys.controlUrl), schema: required(keys.schema) },
    worker: workerConfig(optional, find(keys.repository)?.from !== 'the default'),
    wal: { pushAhead: required(keys.pushAhead) },
    log: { level: required(keys.logLevel), format: required(keys.logFormat) },
    clusters: [...(clusterNames.size > 0 ? clusterNames : ['main'])].map(cluster),
    cluster,
    whichCluster: (option) => {
      const given = option === undefined ? undefined : { value: option, from: keys.walCluster.flag };
      return whichCluster(given ?? find(keys.walCluster), fromFile, fromVariables);
    },
  };
}

/** The keys of [worker]. */
function workerConfig(
  optional: <T>(key: ConfigKey<T>) => T | undefined,
  repositoryIsNamed: boolean,
): Config['worker'] {
  const required = <T>(key: ConfigKey<T>): T => optional(key) as T;
  return {
    name: optional(keys.name),
    labels: required(keys.labels),
    repository: required(keys.repository),
    repositoryIsNamed,
    holdTimeout: required(keys.holdTimeout),
    maxHoldTimeout: required(keys.maxHoldTimeout),
    maxHeld: required(keys.maxHeld),
    maxHeldByOne: optional(keys.maxHeldByOne),
    drainTimeout: required(keys.drainTimeout),
    compressLevel: required(keys.compressLevel),
    jobs: optional(keys.jobs) ?? Math.min(4, availableParallelism()),
    maxCopies: required(keys.maxCopies),
    maxChain: required(keys.maxChain),
    walReserve: required(keys.walReserve),
  };
}

function standard(key: ConfigKey<unknown>): ConfigSetting | undefined {
  return key.default === undefined ? undefined : { value: key.default, from: 'the default' };
}

function parsed<T>(key: ConfigKey<T>, setting: ConfigSetting | undefined, path = key.path): T | undefined {
  return setting === undefined ? undefined : parseSetting(key, setting, path);
}
