/** `holdfast start`: starts a backup, and returns once the data directory may be copied. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import {
  cancelBackup,
  databaseTime,
  interruptible,
  requestedSince,
  callStartBackup,
  callWaitForBackup,
  withControl,
  type StartRequest,
} from '../../control/control-client.ts';
import type { Connection, ConnectOptions } from '../../database/connection.ts';
import { HoldfastError } from '../../errors.ts';
import { untilInterrupted } from '../interruption.ts';
import {
  type GlobalOptions,
  clusterOption,
  configFrom,
  controlFrom,
  durationOption,
  jsonOption,
  ofOneCluster,
  positiveDurationOption,
  sizeOption,
} from '../options.ts';
import { printJson, printLines } from '../render/output.ts';

interface Options extends GlobalOptions {
  cluster: string;
  method: 'hold' | 'copy';
  wait: boolean;
  /** Bytes per second. */
  rateLimit?: number;
  compressLevel?: number;
  incremental: boolean;
  fast: boolean;
  waitForArchive: boolean;
  /** Milliseconds; 0 means no limit. */
  holdTimeout?: number;
  keep: boolean;
  annotations?: string;
  /** Milliseconds. */
  timeout?: number;
}

/** Adds `holdfast start` to the program. */
export function addStart(program: Command): void {
  program
    .command('start')
    .description(
      'start a backup, and return once it is safe to copy (the pre-script); or have the worker copy',
    )
    .argument('[label]', 'its name (default: the UTC time and the id)')
    .option(...clusterOption('which cluster'))
    .addOption(
      new Option('--method <method>', 'hold: you copy; copy: the worker copies into its repository')
        .choices(['hold', 'copy'])
        .default('hold'),
    )
    .option('--wait', 'with method copy: return only once the backup is complete', false)
    .option('--rate-limit <size>', 'with method copy: read at most that much a second (50MB)', sizeOption)
    .option('--compress-level <level>', 'with method copy: the zstd level, 1 to 19', levelOption)
    .option(
      '--incremental',
      'with method copy: copy only what has changed since the newest copy, where possible (PostgreSQL 17 or newer)',
      false,
    )
    .option('--fast', 'an immediate checkpoint instead of a spread one', false)
    .option('--no-wait-for-archive', 'call it complete without waiting for its WAL to be archived')
    .option(
      '--hold-timeout <duration>',
      "how long the copy may take; 0: no limit (default: the worker's)",
      durationOption,
    )
    .option('--keep', 'never expire it', false)
    .option('--annotations <json>', 'anything to note', jsonOption)
    .option(
      '--timeout <duration>',
      'cancel it and exit with 3 when it has not started by then (with --wait: when it is not complete)',
      positiveDurationOption,
    )
    .action(async (label: string | undefined, _: object, command: Command) => {
      const options = ofOneCluster(command.optsWithGlobals<Options>());
      if (options.wait && options.method !== 'copy') throw waitsForEver();
      const request: StartRequest = {
        label: label ?? null,
        cluster: options.cluster,
        method: options.method,
        rateLimit: options.rateLimit ?? null,
        compressLevel: options.compressLevel ?? null,
        incremental: options.incremental,
        fast: options.fast,
        waitForArchive: options.waitForArchive,
        holdTimeout: options.holdTimeout ?? null,
        keep: options.keep,
        annotations: options.annotations ?? null,
        timeout: options.timeout ?? null,
      };
      const started = await start(controlFrom(configFrom(options), 'start'), request, options.wait);
      await print(started, options);
    });
}

/** Milliseconds after which a waiting user is told the reason for the wait. */
const patience = 5000;
const checkpointHint =
  'waiting for the checkpoint that a backup begins with: spread, it may take minutes; with --fast it is done at once';

interface Started {
  id: number;
  startLsn: string;
}

async function print({ id, startLsn }: Started, { json, wait }: Options): Promise<void> {
  if (json === true) await printJson({ id, start_lsn: startLsn, ...(wait && { state: 'complete' }) });
  else await printLines([`id ${id}`, `start_lsn ${startLsn}`, ...(wait ? ['complete'] : [])]);
}

/**
 * Requests the backup, and waits for the copy if `wait` is set. An interruption cancels the request, even if
 * the interruption comes too late for the server to cancel.
 */
function start(control: ConnectOptions, request: StartRequest, wait: boolean): Promise<Started> {
  const deadline = request.timeout === null ? undefined : Date.now() + request.timeout;
  return untilInterrupted((signal) =>
    withControl(control, async (db) => {
      const started = await requestBackup(db, control, signal, request);
      if (wait && !signal.aborted) await completed(db, control, signal, started, deadline);
      if (!signal.aborted) return started;
      await cancel(db, started);
      throw new HoldfastError('failed', `interrupted: backup request ${started.id} is cancelled`, {
        code: 'interrupted',
      });
    }),
  );
}

/**
 * Calls `start_backup`. If the procedure could not catch an interruption, its request still exists, and is
 * returned with an empty LSN.
 */
async function requestBackup(
  db: Connection,
  control: ConnectOptions,
  signal: AbortSignal,
  request: StartRequest,
): Promise<Started> {
  const began = await databaseTime(db);
  const hint = setTimeout(() => process.stderr.write(`holdfast: ${checkpointHint}\n`), patience);
  if (request.fast) clearTimeout(hint);
  try {
    return await interruptible(db, control, signal, () => callStartBackup(db, request));
  } catch (error) {
    const id = signal.aborted && !db.isLost ? await requestedSince(db, request, began) : undefined;
    if (id === undefined) throw error;
    return { id, startLsn: '' };
  } finally {
    clearTimeout(hint);
  }
}

/**
 * Waits until the backup is complete. If the wait fails, the request is cancelled, unless the request is past
 * cancelling: no client waits for the backup any more.
 */
async function completed(
  db: Connection,
  control: ConnectOptions,
  signal: AbortSignal,
  started: Started,
  deadline: number | undefined,
): Promise<void> {
  const left = deadline === undefined ? null : Math.max(1, deadline - Date.now());
  try {
    await interruptible(db, control, signal, () => callWaitForBackup(db, started.id, left));
  } catch (error) {
    if (!db.isLost && !signal.aborted) await cancel(db, started).catch(() => undefined);
    if (!signal.aborted) throw error;
  }
}

async function cancel(db: Connection, { id }: Started): Promise<void> {
  await cancelBackup(db, { id, label: null, cluster: 'main', timeout: null });
}

function waitsForEver(): HoldfastError {
  return new HoldfastError('usage', '--wait would wait for ever: with method hold, nobody else finishes it', {
    code: 'which_method',
    hint: 'add --method copy; or finish the backup with "holdfast stop"',
  });
}

function levelOption(text: string): number {
  if (/^([1-9]|1\d)$/.test(text)) return Number(text);
  throw new InvalidArgumentError('it is not a whole number from 1 to 19');
}
