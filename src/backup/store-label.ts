/**
 * Once pg_backup_stop has returned, the label exists nowhere but here. It is kept in two places, the label
 * directory and the row; either is enough to go on, and while neither works it is held and tried again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { markArchiving, type BackupStop } from '../control/backup-requests.ts';
import { messageOf } from '../errors.ts';
import type { RequestRun } from './request-run.ts';
import { writeLabelEntry } from '../repository/label-directory.ts';
import type { BackupDescription } from '../repository/label-entry.ts';

/** Milliseconds that the label directory still has where the row refuses the label. */
const lastChance = 10_000;

/** Resolves when the row has the label. Without a description it is in the label directory already. */
export async function storeLabel(
  run: RequestRun,
  stop: BackupStop,
  description: BackupDescription | null,
): Promise<void> {
  const { label, tablespaceMap } = stop;
  let enough = false;
  const directory =
    description === null
      ? undefined
      : untilWritten(
          run,
          () => writeLabelEntry(run.context.labels, { description, label, tablespaceMap }),
          () => enough,
        );
  try {
    await run.move('archiving', (db) => markArchiving(db, run.id, stop));
  } catch (error) {
    await Promise.race([directory, sleep(lastChance, undefined, { ref: false })]);
    throw error;
  } finally {
    enough = true;
  }
  const failure = await directory;
  if (failure !== undefined) run.warn(`the label directory could not be written: ${failure}`);
  if (!isText(label) || (tablespaceMap !== null && !isText(tablespaceMap))) {
    run.warn(
      'backup_label or tablespace_map is not valid UTF-8: a client may not be able to read it; get the bytes with "holdfast label" or from the label directory',
    );
  }
}

/** Tries until it works, or until that is no longer needed: then the last failure. */
async function untilWritten(
  run: RequestRun,
  write: () => Promise<string>,
  enough: () => boolean,
): Promise<string | undefined> {
  for (;;) {
    try {
      run.context.log.debug('label written', { request: run.id, directory: await write() });
      return undefined;
    } catch (error) {
      if (enough()) return messageOf(error);
      run.context.log.warning('the label directory cannot be written, trying again', {
        request: run.id,
        reason: messageOf(error),
      });
    }
    await sleep(200);
  }
}

function isText(bytes: Buffer): boolean {
  return Buffer.from(bytes.toString('utf8')).equals(bytes);
}
