/** Settings as they were read, each with its source. */
import { HoldfastError } from '../errors.ts';
import type { ConfigKey } from './config-keys.ts';

/** One setting. */
export interface ConfigSetting {
  value: unknown;
  /** The source, such as `/etc/holdfast.toml` or `HOLDFAST_LABELS`. */
  from: string;
}

/**
 * The settings of one source, by the path of their key. The settings of clusters are by name and then by
 * path.
 */
export interface ConfigSettings {
  general: Map<string, ConfigSetting>;
  clusters: Map<string, Map<string, ConfigSetting>>;
}

/**
 * The checked value of a setting. `path` names the setting in an error.
 * @throws HoldfastError `bad_configuration`
 */
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
