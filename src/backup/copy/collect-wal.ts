/**
 * Collects the WAL that a copy needs while the copy runs. Segments in the archive of the repository are
 * hard-linked. Segments that the server archives elsewhere, or not at all, are read from pg_wal before the server
 * recycles them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../../errors.ts';
import { isBeginningOf } from '../../postgres/wal-header.ts';
import { parseSegmentName, segmentName, segmentRange } from '../../postgres/wal-segment.ts';
import { BackupWal, type WalSource } from '../../repository/backup-wal.ts';
import { SourceError } from '../../repository/compressed-file.ts';
import { repositoryError } from '../../repository/repository-errors.ts';
import { copyFailed } from './copy-engine.ts';

/**
 * Milliseconds between two looks at pg_wal. A server recycles a segment only after a checkpoint, unless the server
 * keeps WAL for the copy.
 */
const lookEvery = 200;
/**
 * Milliseconds for which the archiver has the chance to archive the last segments before the worker reads these
 * segments from pg_wal.
 */
const archiverMayTake = 5000;
/** Milliseconds between two tries to get the last segments: at first, and at most. An archiver may take only a few. */
const firstPause = 5;
const longestPause = 50;

/** The server whose WAL is collected, and the backup for which the WAL is collected. */
export interface CollectOptions extends Omit<WalSource, 'belongs'> {
  systemIdentifier: string;
  startWal: string;
  /** The directory of the unfinished backup. */
  backup: string;
}

/** Collects WAL from the creation of the object until `finish` or `stop`. */
export class WalCollector {
  readonly #options: CollectOptions;
  readonly #wal: BackupWal;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  /** Rejects when WAL can no longer be collected. Never resolves. */
  readonly failed: Promise<never>;
  #next: string;
  readonly #left = new Set<string>();

  constructor(options: CollectOptions) {
    this.#options = options;
    this.#next = options.startWal;
    this.#wal = new BackupWal(
      { ...options, belongs: (segment, bytes) => this.#belongs(segment, bytes) },
      options.backup,
    );
    const failure = Promise.withResolvers<never>();
    this.failed = failure.promise;
    this.failed.catch(() => undefined);
    this.#running = this.#loop().catch((error: unknown) => failure.reject(collectError(error, options)));
  }

  /** Stops collecting. Resolves when no segment is being written any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /**
   * Completes the WAL up to `stopWal`, a segment that the server has finished.
   * @throws HoldfastError `wal_missing` where a segment is in neither the archive nor pg_wal
   */
  async finish(stopWal: string): Promise<void> {
    await this.stop();
    const { startWal, segmentSize } = this.#options;
    try {
      const needed = segmentRange(startWal, stopWal, segmentSize);
      const deadline = Date.now() + archiverMayTake;
      for (let pause = firstPause; ; pause = Math.min(2 * pause, longestPause)) {
        const isLastTry = Date.now() > deadline;
        const missing = await this.#missing(needed, isLastTry);
        if (missing.length === 0) break;
        if (isLastTry) throw walMissing(missing[0] ?? '');
        await sleep(pause);
      }
      await this.#wal.publish();
    } catch (error) {
      throw collectError(error, this.#options);
    }
  }

  async #missing(needed: string[], now: boolean): Promise<string[]> {
    const missing: string[] = [];
    for (const segment of needed) if (!(await this.#get(segment, now))) missing.push(segment);
    return missing;
  }

  /**
   * Links a segment from the archive, or copies the segment from pg_wal if the server may recycle the segment.
   * Returns false if the segment has to be tried again.
   */
  async #get(segment: string, now: boolean): Promise<boolean> {
    if (this.#wal.has(segment)) return true;
    // isAtRisk comes before link: if the archiver has finished the segment by then and archives to this
    // repository, the link succeeds.
    const mayTake = now || (await this.#wal.isAtRisk(segment));
    if (await this.#wal.link(segment)) return true;
    // The server may archive and remove the segment between link and take, so link is tried once more.
    return mayTake && ((await this.#wal.take(segment)) || (await this.#wal.link(segment)));
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#look();
      await sleep(lookEvery, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Looks at finished segments only. A segment is finished when the next segment has been begun. */
  async #look(): Promise<void> {
    for (let after = this.#following(this.#next); await this.#wal.hasBegun(after);) {
      this.#left.add(this.#next);
      this.#next = after;
      after = this.#following(after);
    }
    for (const segment of this.#left) {
      if (this.#stopping.signal.aborted) return;
      if (await this.#get(segment, false)) this.#left.delete(segment);
    }
  }

  #following(segment: string): string {
    const { segmentSize } = this.#options;
    const { timeline, number } = parseSegmentName(segment, segmentSize);
    return segmentName({ timeline, number: number + 1n }, segmentSize);
  }

  #belongs(segment: string, bytes: Buffer): boolean {
    const { segmentSize, systemIdentifier } = this.#options;
    return isBeginningOf(bytes, { name: segment, segmentSize, systemIdentifier });
  }
}

function collectError(error: unknown, { backup }: CollectOptions): unknown {
  if (!(error instanceof SourceError)) return repositoryError(error, backup);
  return copyFailed({ side: 'read', code: undefined, message: error.message }, backup);
}

function walMissing(segment: string): HoldfastError {
  return new HoldfastError('failed', `WAL segment ${segment}, which the backup needs, is nowhere any more`, {
    code: 'wal_missing',
    hint: 'archive to the same repository ("holdfast wal push"), or let the server keep WAL for the copy: ALTER ROLE … REPLICATION for the role of the worker, or a larger wal_keep_size; then request the backup again',
  });
}
