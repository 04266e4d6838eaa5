/** Reads the configuration file. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as Toml from 'smol-toml';
import { HoldfastError, messageOf } from '../errors.ts';
import { clusterName } from './value-formats.ts';
import { clusterKeys, keys, type ConfigKey } from './config-keys.ts';
import { parseSetting, type ConfigSetting, type ConfigSettings } from './config-settings.ts';
import { didYouMean } from './suggest.ts';

/** The configuration file if neither `--config` nor HOLDFAST_CONFIG names one. */
export const defaultFile = '/etc/holdfast.toml';

/**
 * The settings in the named file. Without a name, the settings in the default file, or none if that file does
 * not exist.
 * @throws HoldfastError `bad_configuration`
 */
export function readConfigFile(named: string | undefined): ConfigSettings {
  const file = named ?? (existsSync(defaultFile) ? defaultFile : undefined);
  return file === undefined ? { general: new Map(), clusters: new Map() } : settingsOf(parsed(file), file);
}

type Table = Record<string, unknown>;

function parsed(file: string): Table {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new HoldfastError('usage', `the configuration file "${file}" cannot be read: ${messageOf(error)}`, {
      code: 'bad_configuration',
      hint: 'name another one with --config or HOLDFAST_CONFIG',
    });
  }
  // Without a file, "wal push" and "wal fetch" need not load it.
  const { parse, TomlError } = createRequire(import.meta.url)('smol-toml') as typeof Toml;
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The rest of the error's message quotes the file, which may contain a password.
    const reason = error.message.split('\n', 1)[0]?.replace('Invalid TOML document: ', '');
    throw new HoldfastError('usage', `${file}, line ${error.line}, column ${error.column}: ${reason}`, {
      code: 'bad_configuration',
      hint: 'write it in TOML: put text in quotation marks, and begin a table with a line such as [worker]',
    });
  }
}

function settingsOf(document: Table, file: string): ConfigSettings {
  const { cluster = {}, ...tables } = document;
  const known = Object.values(keys).map(({ path }) => path);
  const general = new Map<string, ConfigSetting>();
  for (const [name, table] of Object.entries(tables)) {
    if (!known.some((path) => path.startsWith(`${name}.`))) throw unknownTable(name, file);
    for (const [key, value] of Object.entries(asTable(table, name, file))) {
      if (!known.includes(`${name}.${key}`)) throw unknownKey(`${name}.${key}`, known, file);
      general.set(`${name}.${key}`, { value, from: file });
    }
  }

  const clusters = new Map<string, Map<string, ConfigSetting>>();
  for (const [name, table] of Object.entries(asTable(cluster, 'cluster', file))) {
    parseSetting(clusterBlock, { value: name, from: file });
    clusters.set(name, clusterSettings(name, asTable(table, `cluster.${name}`, file), file));
  }
  return { general, clusters };
}

/** The name of a cluster, as a key, so that `parseSetting` reports a wrong name. */
const clusterBlock: ConfigKey<string> = {
  path: 'the name of a cluster',
  variable: '',
  format: clusterName,
  default: undefined,
  help: '',
};

function clusterSettings(name: string, table: Table, file: string): Map<string, ConfigSetting> {
  const paths = Object.values(clusterKeys).map(({ path }) => path);
  const settings = new Map<string, ConfigSetting>();
  for (const [key, value] of Object.entries(table)) {
    const path = `cluster.<name>.${key}`;
    if (!paths.includes(path)) {
      const known = paths.map((candidate) => candidate.replace('<name>', name));
      throw unknownKey(`cluster.${name}.${key}`, known, file);
    }
    settings.set(path, { value, from: file });
  }
  return settings;
}

function asTable(value: unknown, name: string, file: string): Table {
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date))
    return value as Table;
  throw new HoldfastError('usage', `"${name}" in ${file} is not a table`, {
    code: 'bad_configuration',
    hint: `write [${name === 'cluster' ? 'cluster.main' : name}] on a line of its own, then its keys, one a line`,
  });
}

function unknownTable(name: string, file: string): HoldfastError {
  return new HoldfastError('usage', `"${name}" in ${file} is unknown`, {
    code: 'bad_configuration',
    hint: didYouMean(name, ['control', 'worker', 'wal', 'log', 'cluster']),
  });
}

function unknownKey(path: string, known: string[], file: string): HoldfastError {
  const key = path.slice(path.lastIndexOf('.'));
  const elsewhere = known.find((candidate) => candidate.endsWith(key));
  return new HoldfastError('usage', `the key "${path}" in ${file} is unknown`, {
    code: 'bad_configuration',
    hint: elsewhere === undefined ? didYouMean(path, known) : `write "${elsewhere}", if you mean that`,
  });
}
