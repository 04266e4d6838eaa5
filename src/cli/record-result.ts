/** Records what a command has found in the control database, which may be down or not permit it. */
import type { Config } from '../config/config.ts';
import { withControl } from '../control/control-client.ts';
import type { Connection } from '../database/connection.ts';
import { messageOf } from '../errors.ts';
import { controlFrom } from './options.ts';

/** The table that has the results of the command. */
const tables = { drill: 'backup_drill', verify: 'backup_verification' };

/** Returns what `record` returns; undefined, after a warning, where the result could not be recorded. */
export async function recordResult<T>(
  config: Config,
  command: keyof typeof tables,
  record: (db: Connection) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await withControl(controlFrom(config, command), record);
  } catch (error) {
    process.stderr.write(
      `holdfast: warning: this is not in ${tables[command]}: ${messageOf(error)}\n  hint: run it where the control database is reachable, as a role of the worker's; or give --no-record\n`,
    );
    return undefined;
  }
}
