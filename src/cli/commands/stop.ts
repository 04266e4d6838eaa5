/** `holdfast stop`: finishes a backup, and prints or writes its label once the backup is complete. */
import { access, constants } from 'node:fs/promises';
import type { Command } from 'commander';
import {
  activeState,
  interruptible,
  callStopBackup,
  storedLabel,
  withControl,
  type StoredLabel,
  type WhichBackup,
} from '../../control/control-client.ts';
import {
  queryCancelled,
  ServerError,
  type Connection,
  type ConnectOptions,
} from '../../database/connection.ts';
import { HoldfastError, messageOf } from '../../errors.ts';
import { makeDirectory, writeLabelFiles } from '../../labels/write-label.ts';
import { untilInterrupted } from '../interruption.ts';
import { configFrom, controlFrom, idOption } from '../options.ts';
import { print, printJson, printLines } from '../render/output.ts';
import { addWhichBackupOptions, whichBackup, type WhichBackupOptions } from '../which-backup.ts';

interface Options extends WhichBackupOptions {
  id?: number;
  /** The directory for backup_label and tablespace_map. */
  to?: string;
}

/** Adds `holdfast stop` to the program. */
export function addStop(program: Command): void {
  const command = program
    .command('stop')
    .description('finish a backup, and return its label once it is complete (the post-script)')
    .argument('[label]', 'its label')
    .option('--id <id>', 'or its id', idOption);
  addWhichBackupOptions(command, 'exit with 3 when it is not complete by then; it goes on by itself')
    .option('--to <directory>', 'write backup_label and tablespace_map there')
    .action(async (label: string | undefined, _: object, self: Command) => {
      const options = self.optsWithGlobals<Options>();
      const which = whichBackup(options, { id: options.id, label });
      if (options.to !== undefined) await prepare(options.to);
      const stopped = await stop(controlFrom(configFrom(options), 'stop'), which);
      const files = options.to === undefined ? undefined : await write(options.to, stopped);
      if (options.json === true) await printJson(asJson(stopped, files));
      else await printStopped(stopped, files);
    });
}

/** A complete backup with the bytes of its label. */
type Stopped = StoredLabel & { bytes: Buffer };

function stop(control: ConnectOptions, which: WhichBackup): Promise<Stopped> {
  return untilInterrupted((signal) =>
    withControl(control, async (db) => {
      const stoppedId = await interruptible(db, control, signal, () => callStopBackup(db, which)).catch(
        async (error: unknown) => {
          throw signal.aborted && !db.isLost ? await interruptedAt(db, which, error) : error;
        },
      );
      const stored = await storedLabel(db, stoppedId);
      if (stored === undefined || stored.bytes === null) {
        throw new HoldfastError(
          'failed',
          `backup ${stoppedId} is complete, but the database has no label of it`,
          {
            code: 'label_not_found',
            hint: `get it from the label directory: "holdfast label ${stoppedId} --to DIR"`,
          },
        );
      }
      return { ...stored, bytes: stored.bytes };
    }),
  );
}

/**
 * Returns the error of an interruption. The procedure says it itself while it waits. Between two of its polls, the
 * server ends the call with an error that does not tell what has become of the backup.
 */
async function interruptedAt(db: Connection, which: WhichBackup, error: unknown): Promise<unknown> {
  if (!(error instanceof ServerError && error.code === queryCancelled)) return error;
  // By its label, a backup is not found any more once it has ended.
  const found = await activeState(db, which).catch(() => undefined);
  if (found === undefined) return error;
  const { id, state } = found;
  return new HoldfastError('failed', `interrupted: backup request ${id} is ${state}`, {
    code: 'interrupted',
    hint: `look for the backup with "holdfast status ${id}", or stop it again by its id`,
    cause: error,
  });
}

/** Checks the directory before the backup is stopped, so that a typing error does no harm. */
async function prepare(directory: string): Promise<void> {
  await makeDirectory(directory);
  await access(directory, constants.W_OK).catch((error: unknown) => {
    throw new HoldfastError('failed', `"${directory}" cannot be written: ${messageOf(error)}`);
  });
}

async function write(directory: string, { id: backupId, bytes, tablespaceMap }: Stopped): Promise<string[]> {
  return writeLabelFiles(directory, { label: bytes, tablespaceMap }).catch((error: unknown) => {
    throw new HoldfastError(
      'failed',
      `backup ${backupId} is complete, but its label is not written: ${messageOf(error)}`,
      {
        code: 'label_not_written',
        hint: `write it to another directory: "holdfast label ${backupId} --to DIR"`,
        cause: error,
      },
    );
  });
}

function asJson(stopped: Stopped, files: string[] | undefined): object {
  const { id: backupId, cluster, label, state, startLsn, startWal, stopLsn, stopWal } = stopped;
  return {
    id: backupId,
    cluster,
    label,
    state,
    start_lsn: startLsn,
    start_wal: startWal,
    stop_lsn: stopLsn,
    stop_wal: stopWal,
    ...encoded('backup_label', stopped.bytes),
    ...encoded('tablespace_map', stopped.tablespaceMap),
    files,
  };
}

/** The bytes as text, or in base64 if the bytes are not valid UTF-8. */
function encoded(name: string, bytes: Buffer | null): Record<string, string | null> {
  if (bytes === null) return { [name]: null };
  const text = bytes.toString('utf8');
  return Buffer.from(text).equals(bytes)
    ? { [name]: text }
    : { [name]: null, [`${name}_base64`]: bytes.toString('base64') };
}

async function printStopped(stopped: Stopped, files: string[] | undefined): Promise<void> {
  const { id: backupId, cluster, state, startLsn, startWal, stopLsn, stopWal, tablespaceMap } = stopped;
  await printLines([
    `backup ${backupId} of cluster ${cluster} is ${state}`,
    `LSN ${startLsn} to ${stopLsn}, WAL ${startWal} to ${stopWal}`,
  ]);
  if (files !== undefined) return printLines(files.map((file) => `written: ${file}`));
  await print('\nbackup_label:\n');
  await print(stopped.bytes);
  if (tablespaceMap === null)
    return print('\nno tablespace_map: in the restored data directory there must be none\n');
  await print('\ntablespace_map:\n');
  await print(tablespaceMap);
}
