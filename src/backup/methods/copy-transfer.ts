/**
 * Method copy: the worker copies the cluster into its repository during the backup window. After the copy the row
 * moves to state done. After pg_backup_stop, backup_label and the WAL up to the stop complete the backup, and a
 * rename publishes the backup. A copy that ends early is removed.
 */
import { markDone, type ClaimedRequest } from '../../control/backup-requests.ts';
import { join } from 'node:path';
import { HoldfastError } from '../../errors.ts';
import type { BackupStart, BackupStop } from '../../postgres/backup-facts.ts';
import type { BackupRecord } from '../../repository/label-entry.ts';
import type { RepositoryBackup } from '../../repository/repository-backup.ts';
import { recordDamage } from '../record-damage.ts';
import { UnfinishedBackup } from '../../repository/unfinished-backup.ts';
import { WalCollector } from '../copy/collect-wal.ts';
import { CopyEngine } from '../copy/copy-engine.ts';
import type { CopySummary } from '../copy/copy-messages.ts';
import { CopyProgress } from '../copy/copy-progress.ts';
import { watchFreeSpace } from '../copy/free-space.ts';
import { requireStarted, type CopySource } from '../copy/copy-source.ts';
import type { RequestRun } from '../request-run.ts';
import type { DataTransfer } from './data-transfer.ts';
import { holdLimit, limitWindow } from './window-limit.ts';

/** The transfer of method copy: an unfinished backup with its copy and its WAL. */
export class CopyTransfer implements DataTransfer {
  readonly #run: RequestRun;
  readonly #request: ClaimedRequest;
  readonly #start: BackupStart;
  readonly #source: CopySource;
  readonly #level: number;
  readonly #unfinished: UnfinishedBackup;
  readonly #engine: CopyEngine;
  readonly #wal: WalCollector;
  readonly #progress: CopyProgress;

  /** Begins to copy. @throws HoldfastError where nothing can be copied; nothing is written then */
  static async begin(
    run: RequestRun,
    request: ClaimedRequest,
    start: BackupStart,
    source: CopySource,
  ): Promise<CopyTransfer> {
    await requireStarted(source, start.startLsn);
    const { startedAt } = start;
    const unfinished = await UnfinishedBackup.create(source.clusterDirectory, { id: run.id, startedAt });
    return new CopyTransfer(run, request, start, source, unfinished);
  }

  private constructor(
    run: RequestRun,
    request: ClaimedRequest,
    start: BackupStart,
    source: CopySource,
    unfinished: UnfinishedBackup,
  ) {
    this.#run = run;
    this.#request = request;
    this.#start = start;
    this.#source = source;
    this.#level = request.compressLevel ?? run.context.compressLevel;
    this.#unfinished = unfinished;
    this.#progress = new CopyProgress(run);
    const { dataDirectory, clusterDirectory, systemIdentifier, walSegmentSize } = source;
    this.#engine = new CopyEngine(
      {
        dataDirectory,
        output: unfinished.directory,
        outputShown: unfinished.shown,
        major: Number.parseInt(start.serverVersion, 10),
        systemIdentifier,
        startLsn: start.startLsn,
        expectedBytes: source.bytes,
        jobs: run.context.copyJobs,
        level: this.#level,
        rateLimit: request.rateLimit ?? undefined,
        onDamagedPage: run.context.onDamagedPage,
      },
      { onProgress: (bytes) => this.#progress.note(bytes), onWarning: (text) => run.warn(text) },
    );
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
    const limit = holdLimit(this.#request.holdTimeout ?? 0, this.#run.context);
    const stopTimer = limitWindow(this.#run, limit, copiedTooLong);
    const room = watchFreeSpace(this.#source.clusterDirectory, this.#run.context.walReserve);
    try {
      await this.#run.raceAbort(Promise.race([this.#engine.copied, this.#wal.failed, room.short]));
    } finally {
      room.stop();
      stopTimer();
    }
    await this.#progress.end();
    await this.#run.move('done', (db) => markDone(db, this.#run.id), this.#run.signal);
  }

  /** Completes the copy with backup_label and WAL, and publishes the backup. */
  async finish(record: BackupRecord, stop: BackupStop): Promise<void> {
    const { label, tablespaceMap, stopLsn, stopWal } = stop;
    const { timeline } = this.#start;
    const summary = await this.#engine.finish({ label, tablespaceMap, timeline, stopLsn });
    await this.#wal.finish(stopWal);
    const backup = repositoryBackup(record, this.#source, this.#level, summary);
    const directory = await this.#unfinished.publish(backup, stop, (text) => this.#run.warn(text));
    await this.#engine.stop();
    await recordDamage(this.#run, backup.damagedPages);
    this.#run.context.log.info('backup stored', {
      request: this.#run.id,
      directory,
      bytes: backup.bytes,
      stored: backup.storedBytes,
    });
  }

  /** Stops the copy and removes the unfinished backup. */
  async abandon(): Promise<void> {
    await Promise.all([this.#engine.stop(), this.#wal.stop()]);
    await this.#unfinished.discard();
  }
}

function repositoryBackup(
  record: BackupRecord,
  { dataDirectory, walLinkedTo, controlOrigin }: CopySource,
  compressLevel: number,
  { manifestBytes, ...summary }: CopySummary,
): RepositoryBackup {
  const stored = summary.tars.reduce((sum, { bytes }) => sum + bytes, manifestBytes);
  return {
    version: 1,
    method: 'copy',
    ...record,
    controlOrigin,
    dataDirectory,
    ...(walLinkedTo !== undefined && { walLinkedTo }),
    compressLevel,
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
