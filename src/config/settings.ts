/** Values as they were found, each with where that was. */
import { HoldfastError } from '../errors.ts';
import type { Key } from './keys.ts';

export interface Setting {
  value: unknown;
  /** Such as `/etc/holdfast.toml` or `HOLDFAST_LABELS`. */
  from: string;
}

/** What one source says, by the keys' paths; of clusters, by name and then by path. */
export interface Settings {
  general: Map<string, Setting>;
  clusters: Map<string, Map<string, Setting>>;
}

export function parseSetting<T>(key: Key<T>, { value, from }: Setting, path = key.path): T {
  try {
    return key.format.parse(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const shown = key.format.show(value);
    const given = shown === undefined ? path : `${path} = ${shown}`;
    throw new HoldfastError('usage', `${given} (from ${from}) ${error.message}`, {
      code: 'bad_configuration',
      hint: `accepted: ${key.format.accepts}`,
    });
  }
}
