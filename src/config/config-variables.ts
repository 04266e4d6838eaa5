/** Reads the configuration from environment variables. An empty variable counts as not set. */
import { HoldfastError } from '../errors.ts';
import { clusterName } from './value-formats.ts';
import { clusterKeys, keys } from './config-keys.ts';
import type { ConfigSetting, ConfigSettings } from './config-settings.ts';
import { suggestion } from './suggest.ts';

/**
 * The settings in the environment. `inFile` are the clusters that the configuration file names.
 * @throws HoldfastError `bad_configuration`
 */
export function readVariables(env: NodeJS.ProcessEnv, inFile: readonly string[]): ConfigSettings {
  const settings: ConfigSettings = { general: new Map(), clusters: new Map() };
  for (const [variable, value] of Object.entries(env)) {
    if (value === undefined || value === '') continue;
    const key = Object.values(keys).find((candidate) => candidate.variable === variable);
    const ofCluster = clusterVariable(variable);
    if (key !== undefined) {
      settings.general.set(key.path, { value, from: variable });
    } else if (ofCluster !== undefined) {
      const name = clusterNamed(ofCluster.name, inFile, variable);
      const cluster = settings.clusters.get(name) ?? new Map<string, ConfigSetting>();
      settings.clusters.set(name, cluster.set(ofCluster.path, { value, from: variable }));
    } else {
      refuseMisspelt(variable, inFile);
    }
  }
  return settings;
}

function clusterVariable(variable: string): { name: string; path: string } | undefined {
  for (const key of Object.values(clusterKeys)) {
    const [before = '', after = ''] = key.variable.split('<NAME>');
    if (!variable.startsWith(before) || !variable.endsWith(after)) continue;
    const name = variable.slice(before.length, -after.length);
    if (name !== '') return { name, path: key.path };
  }
  return undefined;
}

/** The cluster that a variable means: one of the file, or else the name in lower case. */
function clusterNamed(capitals: string, inFile: readonly string[], variable: string): string {
  const fitting = inFile.filter((name) => inCapitals(name) === capitals);
  if (fitting.length > 1) {
    throw new HoldfastError('usage', `${variable} could mean each of the clusters ${fitting.join(', ')}`, {
      code: 'bad_configuration',
      hint: 'set the key in the configuration file',
    });
  }
  const name = fitting[0] ?? capitals.toLowerCase();
  try {
    return clusterName.parse(name);
  } catch {
    throw new HoldfastError(
      'usage',
      `${variable} names the cluster "${name}", which is not a name for a cluster`,
      {
        code: 'bad_configuration',
        hint: `give ${clusterName.accepts}`,
      },
    );
  }
}

function inCapitals(name: string): string {
  return name.toUpperCase().replaceAll(/[.-]/g, '_');
}

/**
 * Refuses a variable that is nearly the name of a known variable. Other unknown variables are ignored,
 * because container platforms set variables that begin with HOLDFAST_.
 */
function refuseMisspelt(variable: string, inFile: readonly string[]): void {
  if (!variable.startsWith('HOLDFAST_')) return;
  const known = [
    ...Object.values(keys).map((key) => key.variable),
    ...Object.values(clusterKeys).flatMap((key) =>
      ['main', ...inFile].map((name) => key.variable.replace('<NAME>', inCapitals(name))),
    ),
    'HOLDFAST_CONFIG',
  ];
  const meant = known.includes(variable)
    ? undefined
    : suggestion(
        variable.slice(9),
        known.map((name) => name.slice(9)),
      );
  if (meant === undefined) return;
  throw new HoldfastError('usage', `the variable ${variable} is unknown`, {
    code: 'bad_configuration',
    hint: `write HOLDFAST_${meant}, if you mean that`,
  });
}
