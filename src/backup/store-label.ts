/**
 * Stores backup_label and tablespace_map, which after pg_backup_stop exist only in the memory of the worker. The
 * label directory and the row each get a copy. One copy is enough to go on; as long as both fail, the worker keeps
 * the label and tries again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { markArchiving } from '../control/backup-requests.ts';
import { messageOf } from '../errors.ts';
import type { BackupStop } from '../postgres/backup-facts.ts';
import type { RequestRun } from './request-run.ts';
import { writeLabelEntry } from '../repository/label-directory.ts';
import type { BackupRecord } from '../repository/label-entry.ts';

/** Milliseconds for which the label directory is still tried after the row has refused the label. */
const lastChance = 10_000;
/**
 * Milliseconds for which the label directory may not answer once the row has the label. A file system that is gone (NFS)
 * returns no error: each access to it waits until it is back.
 */
const mostSilence = 5000;

/**
 * Resolves when the row has the label, and the label directory has it, too, has refused it or does not answer. `record`:
 * null if the label directory has the label already.
 */
export async function storeLabel(
  run: RequestRun,
  stop: BackupStop,
  record: BackupRecord | null,
): Promise<void> {
  const { label, tablespaceMap } = stop;
  let enough = false;
  const directory =
    record === null
      ? undefined
      : untilWritten(
          run,
          () => writeLabelEntry(run.context.labels, { description: record, label, tablespaceMap }),
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
  const silence = sleep(mostSilence, `it has not answered for ${mostSilence / 1000} seconds`, { ref: false });
  const failure = await Promise.race([directory, silence]);
  if (failure !== undefined) run.warn(`the label directory could not be written: ${failure}`);
  if (!isText(label) || (tablespaceMap !== null && !isText(tablespaceMap))) {
    run.warn(
      'backup_label or tablespace_map is not valid UTF-8: a client may not be able to read it; get the bytes with "holdfast label" or from the label directory',
    );
  }
}

/**
 * Tries until the write succeeds. Returns the last failure if the write is no longer needed; undefined: written.
 */
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
