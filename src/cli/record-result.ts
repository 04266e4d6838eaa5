/** Records what a command has found in the control database, which may be down or not permit it. */
import type { Config } from '../config/config.ts';
import { withControl } from '../control/control-client.ts';
import { requireConfirmedOrigin } from '../control/control-identity.ts';
import type { Connection } from '../database/connection.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import { whyNotOurs } from '../identity/own-backup.ts';
import { plain } from '../plain.ts';
import { controlFrom } from './options.ts';

/** The table that has the results of the command. */
const tables = { drill: 'backup_drill', verify: 'backup_verification' };
const work = { drill: 'a drill', verify: 'a verification' };

type Recording = keyof typeof tables;

/** What a result is about. */
export interface ResultOf {
  cluster: string;
  clusterDirectory: string;
  /** The directory of the backup; undefined: the backup was found in `clusterDirectory`, or none was found. */
  backup: string | undefined;
}

/**
 * Refuses a control database that is not in charge before anything is done whose result is to be recorded there. A
 * control database that cannot be reached is reported when the result is recorded.
 * @throws HoldfastError `origin_not_confirmed`
 */
export async function requireRecordable(config: Config, command: Recording): Promise<void> {
  await withControl(controlFrom(config, command), (db) => requireConfirmedOrigin(db, work[command])).catch(
    (error: unknown) => {
      if (error instanceof HoldfastError && error.code === 'origin_not_confirmed') throw error;
    },
  );
}

/**
 * Returns what `record` returns; undefined, after a warning, where the result could not be recorded, or is not one of the
 * repository that the control database knows.
 */
export async function recordResult<T>(
  config: Config,
  command: Recording,
  { cluster, clusterDirectory, backup }: ResultOf,
  record: (db: Connection) => Promise<T>,
): Promise<T | undefined> {
  const warn = (reason: string) =>
    process.stderr.write(`holdfast: warning: this is not in ${tables[command]}: ${plain(reason)}\n`);
  try {
    return await withControl(controlFrom(config, command), async (db) => {
      const elsewhere = await whyNotOurs({ cluster, clusterDirectory, control: (run) => run(db) }, backup);
      if (elsewhere === undefined) return record(db);
      warn(elsewhere);
      return undefined;
    });
  } catch (error) {
    warn(messageOf(error));
    process.stderr.write(
      "  hint: run it where the control database is reachable, as a role of the worker's; or give --no-record\n",
    );
    return undefined;
  }
}
