/** Values as they were found, each with where that was. */
import { HoldfastError } from '../errors.ts';
import type { ConfigKey } from './config-keys.ts';

export interface ConfigSetting {
  value: unknown;
  /** Such as `/etc/holdfast.toml` or `HOLDFAST_LABELS`. */
  from: string;
}

/** What one source says, by the keys' paths; of clusters, by name and then by path. */
export interface ConfigSettings {
  general: Map<string, ConfigSetting>;
  clusters: Map<string, Map<string, ConfigSetting>>;
}

export function parseSetting<T>(key: ConfigKey<T>, { value, from }: ConfigSetting, path = key.path): T {
  try {
    return key.format.parse(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const shown = key.format.show(value);
    const given = shown === undefined ? path : `${path} = ${shown}`;
    throw new HoldfastError('usage', `${given} (from ${from}) ${error.message}`, {
      code: 'bad_configuration',
      hint: `give ${key.format.accepts}`,
    });
  }
}
