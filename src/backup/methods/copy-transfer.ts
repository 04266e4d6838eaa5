/**
 * Method copy: the worker copies the cluster into its repository during the backup window. After the copy the row
 * moves to state done. After pg_backup_stop, backup_label and the WAL up to the stop complete the backup, and a
 * rename publishes the backup. A copy that ends early is removed.
 */
import { markDone } from '../../control/backup-requests.ts';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../../errors.ts';
import type { BackupStart, BackupStop } from '../../postgres/backup-facts.ts';
import { asIncrementalLabel } from '../../postgres/backup-label.ts';
import type { BackupRecord } from '../../repository/label-entry.ts';
import type { RepositoryBackup } from '../../repository/repository-backup.ts';
import { leaveMark } from '../../server/history-marks.ts';
import { recordDamage } from '../record-damage.ts';
import { UnfinishedBackup } from '../../repository/unfinished-backup.ts';
import { WalCollector } from '../copy/collect-wal.ts';
import type { CopySummary } from '../copy/copy-messages.ts';
import { CopyProgress } from '../copy/copy-progress.ts';
import { requireFreeSpace, watchFreeSpace } from '../copy/free-space.ts';
import { requireStarted, type CopySource } from '../copy/copy-source.ts';
import type { Claim } from '../claim-request.ts';
import { beginIncrement, type Increment } from '../incremental/begin-increment.ts';
import type { RequestRun } from '../request-run.ts';
import type { DataTransfer } from './data-transfer.ts';
import { holdLimit, limitWindow } from './window-limit.ts';

/** The request, and the session in which the backup was started. */
type CopyClaim = Pick<Claim, 'request' | 'session'>;

/** The transfer of method copy: an unfinished backup with its copy and its WAL. */
export class CopyTransfer implements DataTransfer {
  readonly #run: RequestRun;
  readonly #claim: CopyClaim;
  readonly #start: BackupStart;
  readonly #source: CopySource;
  readonly #level: number;
  readonly #unfinished: UnfinishedBackup;
  readonly #wal: WalCollector;
  readonly #progress: CopyProgress;
  readonly #changes: ReturnType<typeof beginIncrement>;
  /** undefined: not everything is copied, or this user may not write to the data directory. */
  #historyMark: string | undefined;
  /** undefined: a full copy, or not known yet. */
  #increment: Increment | undefined;
  #isAbandoned = false;

  /** Begins to copy. @throws HoldfastError where nothing can be copied; nothing is written then */
  static async begin(
    run: RequestRun,
    claim: CopyClaim,
    start: BackupStart,
    source: CopySource,
  ): Promise<CopyTransfer> {
    // The server says what has changed while the directory is made.
    const changes = beginIncrement(run, claim.session.db, source, start);
    changes.catch(() => undefined); // untilDone() reports the error
    await requireStarted(source, start.startLsn);
    const { startedAt } = start;
    const unfinished = await UnfinishedBackup.create(source.clusterDirectory, { id: run.id, startedAt });
    return new CopyTransfer(run, claim, start, source, { unfinished, changes });
  }

  private constructor(
    run: RequestRun,
    claim: CopyClaim,
    start: BackupStart,
    source: CopySource,
    { unfinished, changes }: { unfinished: UnfinishedBackup; changes: ReturnType<typeof beginIncrement> },
  ) {
    this.#run = run;
    this.#claim = claim;
    this.#start = start;
    this.#source = source;
    this.#level = source.level;
    this.#changes = changes;
    this.#unfinished = unfinished;
    this.#progress = new CopyProgress(run);
    const { dataDirectory, clusterDirectory, systemIdentifier, walSegmentSize } = source;
    this.#wal = new WalCollector({
      clusterDirectory,
      walDirectory: join(dataDirectory, 'pg_wal'),
      segmentSize: walSegmentSize,
      level: this.#level,
      systemIdentifier,
      startWal: start.startWal,
      backup: unfinished.directory,
    });
  }

  /**
   * Waits for the copy without a time limit, unless the request has a hold_timeout; then moves the row to state
   * done.
   */
  async untilDone(): Promise<void> {
    const { clusterDirectory } = this.#source;
    const limit = holdLimit(this.#claim.request.holdTimeout ?? 0, this.#run.context);
    const stopTimer = limitWindow(this.#run, limit, copiedTooLong);
    const room = watchFreeSpace(clusterDirectory, this.#run.context.walReserve);
    try {
      await this.#run.raceAbort(Promise.race([this.#copy(), this.#wal.failed, room.short]));
    } finally {
      room.stop();
      stopTimer();
    }
    await this.#progress.end();
    await this.#run.move('done', (db) => markDone(db, this.#run.id), this.#run.signal);
  }

  async #copy(): Promise<void> {
    const increment = await this.#changes;
    const { parent, bytes: all, ratio, clusterDirectory } = this.#source;
    const bytes = increment?.expectedBytes ?? all;
    if (parent !== undefined)
      await requireFreeSpace(clusterDirectory, { bytes, ratio }, this.#run.context.walReserve);
    if (this.#isAbandoned) return;
    this.#increment = increment;
    this.#beginEngine(bytes);
    await this.#source.engine.copied;
    // While the session holds the backup: the directory is still the one that was copied.
    this.#historyMark = await markHistory(this.#run, this.#source.dataDirectory);
  }

  #beginEngine(expectedBytes: number): void {
    const { dataDirectory, engine, systemIdentifier } = this.#source;
    const { onDamagedPage } = this.#run.context;
    engine.begin(
      {
        dataDirectory,
        startLsn: this.#start.startLsn,
        output: this.#unfinished.directory,
        outputShown: this.#unfinished.shown,
        major: Number.parseInt(this.#start.serverVersion, 10),
        systemIdentifier,
        expectedBytes,
        rateLimit: this.#claim.request.rateLimit ?? undefined,
        onDamagedPage,
        changes: this.#increment?.changes,
      },
      { onProgress: (done) => this.#progress.note(done), onWarning: (text) => this.#run.warn(text) },
    );
  }

  /** An incremental copy says so in its label, so that PostgreSQL never starts on it. */
  labelled(stop: BackupStop): BackupStop {
    if (this.#increment === undefined) return stop;
    const { fromLsn: lsn, fromTimeline: timeline } = this.#increment.of;
    return { ...stop, label: asIncrementalLabel(stop.label, { lsn, timeline }) };
  }

  /** Completes the copy with backup_label and WAL, and publishes the backup. */
  async finish(record: BackupRecord, stop: BackupStop): Promise<void> {
    const { label, tablespaceMap, stopLsn, stopWal } = stop;
    const { timeline } = this.#start;
    // Both have ended before either failure is told: a copy that is abandoned is removed then.
    const [copied, collected] = await Promise.allSettled([
      this.#source.engine.finish({ label, tablespaceMap, timeline, stopLsn }),
      this.#wal.finish(stopWal),
    ]);
    if (copied.status === 'rejected') throw copied.reason as Error;
    if (collected.status === 'rejected') throw collected.reason as Error;
    const summary = copied.value;
    const backup = repositoryBackup(
      { ...record, historyMark: this.#historyMark },
      this.#source,
      this.#level,
      this.#increment,
      summary,
    );
    const directory = await this.#unfinished.publish(backup, stop, (text) => this.#run.warn(text));
    await recordDamage(this.#run, backup.damagedPages); // the session's owner stops the threads
    this.#run.context.log.info('backup stored', {
      request: this.#run.id,
      directory,
      bytes: backup.bytes,
      stored: backup.storedBytes,
      ...(backup.incremental && { parent: backup.incremental.parentRequest }),
    });
  }

  /** Stops the copy and removes the unfinished backup. */
  async abandon(): Promise<void> {
    this.#isAbandoned = true;
    await Promise.all([this.#source.engine.stop(), this.#wal.stop()]);
    await this.#unfinished.discard();
  }
}

/** Without its mark the copy is as good; only no incremental copy can be made from it. */
async function markHistory({ context, id }: RequestRun, dataDirectory: string): Promise<string | undefined> {
  try {
    return await leaveMark(dataDirectory);
  } catch (error) {
    context.log.debug('the copy leaves no mark in the data directory', {
      request: id,
      reason: messageOf(error),
    });
    return undefined;
  }
}

function repositoryBackup(
  { historyMark, ...record }: BackupRecord & { historyMark: string | undefined },
  { dataDirectory, walLinkedTo, controlOrigin }: CopySource,
  compressLevel: number,
  increment: Increment | undefined,
  { manifestBytes, lengthsCrc32c, ...summary }: CopySummary,
): RepositoryBackup {
  const stored = summary.tars.reduce((sum, { bytes }) => sum + bytes, manifestBytes);
  return {
    version: 1,
    method: 'copy',
    ...record,
    controlOrigin,
    dataDirectory,
    ...(walLinkedTo !== undefined && { walLinkedTo }),
    ...(historyMark !== undefined && { historyMark }),
    compressLevel,
    ...(increment && { incremental: { ...increment.of, lengthsCrc32c: lengthsCrc32c ?? 0 } }),
    storedBytes: stored,
    ...summary,
  };
}

function copiedTooLong(limit: number): HoldfastError {
  return new HoldfastError('failed', `it was not copied within its hold_timeout of ${limit / 1000} seconds`, {
    code: 'hold_timeout',
    hint: 'request it without hold_timeout, with a longer one, or with a higher rate_limit',
  });
}
