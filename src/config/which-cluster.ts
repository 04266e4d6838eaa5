/** Selects the cluster of a command that is for one cluster. */
import { keys } from './config-keys.ts';
import { parseSetting, type ConfigSetting, type ConfigSettings } from './config-settings.ts';

/**
 * The cluster in `named`, or else the only configured cluster, or else `main`.
 * @throws HoldfastError of kind `usage`
 */
export function whichCluster(
  named: ConfigSetting | undefined,
  { clusters: some }: ConfigSettings,
  more: ConfigSettings,
): string {
  if (named !== undefined) return parseSetting(keys.walCluster, named);
  const configured = new Set([...some.keys(), ...more.clusters.keys()]);
  const [only = 'main'] = configured.size === 1 ? configured : [];
  return only;
}
