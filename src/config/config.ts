/** The configuration: from options, variables and one file, checked here and nowhere else. */
import { availableParallelism } from 'node:os';
import type { LogLevel } from '../log.ts';
import { readConfigFile } from './config-file.ts';
import { clusterKeys, keys, type ConfigKey } from './config-keys.ts';
import { parseSetting, type ConfigSetting } from './config-settings.ts';
import { readVariables } from './config-variables.ts';
import { whichCluster } from './which-cluster.ts';

export interface ClusterConfig {
  name: string;
  /** undefined: the control database. */
  url: string | undefined;
  dataDirectory: string | undefined;
  archiveDirectory: string | undefined;
  /** A program and its first arguments; undefined: nothing is sent off-site. */
  syncCommand: string[] | undefined;
  /** Milliseconds; 0: no limit. */
  syncTimeout: number;
  /** A program and its arguments. */
  deleteCommand: string[] | undefined;
  /** undefined: there are no drills. */
  drillDirectory: string | undefined;
  /** What becomes of a copy with a damaged page. */
  onDamagedPage: 'warn' | 'fail';
  /** undefined: they are looked for. */
  pgBin: string | undefined;
  /** undefined: none. */
  drillAssertions: string | undefined;
  /** Milliseconds. */
  drillAssertionTimeout: number;
  drillPreload: string;
  /** Milliseconds. */
  drillTimeout: number;
}

export interface Config {
  control: {
    /** undefined: libpq's variables and .pgpass. */
    url: string | undefined;
    schema: string;
  };
  worker: {
    /** undefined: the host's, numbered when taken. */
    name: string | undefined;
    labels: string;
    repository: string;
    /** Whether somebody has named it: it is not the default. */
    repositoryIsNamed: boolean;
    /** Milliseconds; 0: no limit. */
    holdTimeout: number;
    /** Milliseconds that no request's hold_timeout may exceed; 0: no cap. */
    maxHoldTimeout: number;
    /** Backup sessions held at once. */
    maxHeld: number;
    /** By one requester; undefined: half of them. */
    maxHeldByOne: number | undefined;
    /** Milliseconds. */
    drainTimeout: number;
    compressLevel: number;
    /** Threads that copy and compress a backup. */
    jobs: number;
    /** Copies of a cluster that a requester has under way at once. */
    maxCopies: number;
    /** Bytes of the repository's disk that copies leave to WAL. */
    walReserve: number;
  };
  wal: {
    /** Segments that a worker archives ahead of the archiver; 0: none. */
    pushAhead: number;
  };
  log: { level: LogLevel; format: 'text' | 'json' };
  /** At least one. */
  clusters: ClusterConfig[];
  /** Also of one that has no block of its own. */
  cluster: (name: string) => ClusterConfig;
  /** The one that a command is about; `option`: its --cluster. @throws HoldfastError of kind `usage` */
  whichCluster: (option: string | undefined) => string;
}

export interface ConfigInput {
  /** The configuration file; without one, HOLDFAST_CONFIG, then /etc/holdfast.toml where it exists. */
  file?: string | undefined;
  env: NodeJS.ProcessEnv;
  databaseUrl?: string | undefined;
  schema?: string | undefined;
}

/** An option beats a variable, a variable beats the file. @throws HoldfastError of kind `usage` */
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
    walReserve: required(keys.walReserve),
  };
}

function standard(key: ConfigKey<unknown>): ConfigSetting | undefined {
  return key.default === undefined ? undefined : { value: key.default, from: 'the default' };
}

function parsed<T>(key: ConfigKey<T>, setting: ConfigSetting | undefined, path = key.path): T | undefined {
  return setting === undefined ? undefined : parseSetting(key, setting, path);
}
