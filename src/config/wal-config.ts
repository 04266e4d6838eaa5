/**
 * The part of the configuration that `holdfast wal` needs. The configuration is read for every segment, so
 * the TOML parser is loaded only if there is a file.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { keys, type ConfigKey } from './config-keys.ts';
import { parseSetting, type ConfigSetting, type ConfigSettings } from './config-settings.ts';
import { readVariables } from './config-variables.ts';
import { whichCluster } from './which-cluster.ts';

/** The settings of `holdfast wal`. */
export interface WalConfig {
  /** The configuration file; undefined if none was read. */
  file: string | undefined;
  repository: string;
  cluster: string;
  /** The directory of the cluster in the repository. */
  clusterDirectory: string;
  /** The zstd level. */
  compressLevel: number;
  /** Segments that are archived ahead of the archiver; 0 means none. */
  pushAhead: number;
  /** Segments that are fetched ahead of replay; 0 means none. */
  fetchAhead: number;
}

/** The sources of the configuration. */
export interface WalConfigInput {
  file?: string | undefined;
  env: NodeJS.ProcessEnv;
  repository?: string | undefined;
  cluster?: string | undefined;
}

/** The same as in config-file.ts. Loading that file for this constant would take too long. */
const defaultFile = '/etc/holdfast.toml';

/**
 * Loads the settings. An option overrides a variable, and a variable overrides the file.
 * @throws HoldfastError of kind `usage`
 */
export async function loadWalConfig(input: WalConfigInput): Promise<WalConfig> {
  const { env } = input;
  const file = input.file ?? (env['HOLDFAST_CONFIG'] || (existsSync(defaultFile) ? defaultFile : undefined));
  const fromFile = file === undefined ? nothing() : (await import('./config-file.ts')).readConfigFile(file);
  const fromVariables = readVariables(env, [...fromFile.clusters.keys()]);
  const fromOptions: Record<string, string | undefined> = {
    [keys.repository.path]: input.repository,
    [keys.walCluster.path]: input.cluster,
  };

  const find = (key: ConfigKey<unknown>): ConfigSetting | undefined => {
    const option = fromOptions[key.path];
    if (option !== undefined) return { value: option, from: key.flag ?? 'an option' };
    const standard = key.default === undefined ? undefined : { value: key.default, from: 'the default' };
    return fromVariables.general.get(key.path) ?? fromFile.general.get(key.path) ?? standard;
  };
  const required = <T>(key: ConfigKey<T>): T =>
    parseSetting(key, find(key) ?? { value: '', from: 'nowhere' });

  const cluster = whichCluster(find(keys.walCluster), fromFile, fromVariables);
  const repository = required(keys.repository);
  return {
    file,
    repository,
    cluster,
    clusterDirectory: join(repository, cluster),
    compressLevel: required(keys.compressLevel),
    pushAhead: required(keys.pushAhead),
    fetchAhead: required(keys.fetchAhead),
  };
}

function nothing(): ConfigSettings {
  return { general: new Map(), clusters: new Map() };
}
