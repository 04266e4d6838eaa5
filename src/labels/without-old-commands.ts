/** The commands of the old server that recovery of a copy must not run. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { readAutoConf } from '../recovery/auto-conf.ts';
import { settingIn } from '../recovery/recovery-settings.ts';

/** The first one may remove WAL from the archive of the old server, the second one is for a failover. */
const commands = ['archive_cleanup_command', 'recovery_end_command'];

/**
 * Returns the settings that keep recovery from running them; none where the configuration of the copy has no such command.
 * A configuration outside of the data directory may have them. `configured`: the result of configuredIn().
 */
export async function withoutOldCommands(
  dataDirectory: string,
  configured: (name: string) => string | undefined,
): Promise<[string, string][]> {
  const isInside = await access(join(dataDirectory, 'postgresql.conf')).then(
    () => true,
    () => false,
  );
  const unset = isInside ? '' : 'unknown';
  const end = (await readAutoConf(dataDirectory))
    .toString('latin1')
    .split('\n')
    .findLast((line) => settingIn(line) === 'recovery_end_command');
  const isHoldfasts = end?.includes(' recovered || true') === true; // what "holdfast restore" writes
  return commands
    .filter((name) => (configured(name) ?? unset) !== '')
    .filter((name) => name !== 'recovery_end_command' || !isHoldfasts)
    .map((name) => [name, '']);
}
