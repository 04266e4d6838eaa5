/**
 * Gathers the WAL that a copy needs while it is being made: what the archive in the repository has is linked; what
 * the server may overwrite before it gets there, since it is archived elsewhere or not at all, is taken from pg_wal.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../../errors.ts';
import { parseSegmentHeader } from '../../postgres/wal-header.ts';
import { parseSegmentName, segmentName, segmentRange } from '../../postgres/wal-segment.ts';
import { BackupWal, type WalSource } from '../../repository/backup-wal.ts';
import { repositoryError } from '../../repository/repository-errors.ts';

/** Milliseconds. A server recycles a segment after a checkpoint at the earliest, unless it keeps WAL for us. */
const lookEvery = 200;
/** Milliseconds for which the archiver is given the chance to bring the last ones itself. */
const archiverMayTake = 5000;
const shortPause = 50;

export interface CollectOptions extends Omit<WalSource, 'belongs'> {
  systemIdentifier: string;
  startWal: string;
  /** The backup's directory while it is being made. */
  backup: string;
}

export class WalCollector {
  readonly #options: CollectOptions;
  readonly #wal: BackupWal;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  /** Rejects when it cannot go on. */
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
    this.#running = this.#loop().catch((error: unknown) =>
      failure.reject(repositoryError(error, options.backup)),
    );
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** All of it, up to that segment, which the server has finished. @throws HoldfastError `wal_missing` */
  async finish(stopWal: string): Promise<void> {
    await this.stop();
    const { startWal, segmentSize, backup } = this.#options;
    try {
      const needed = segmentRange(startWal, stopWal, segmentSize);
      for (const deadline = Date.now() + archiverMayTake; ; await sleep(shortPause)) {
        const isLastTry = Date.now() > deadline;
        const missing = await this.#missing(needed, isLastTry);
        if (missing.length === 0) break;
        if (isLastTry) throw walMissing(missing[0] ?? '');
      }
      await this.#wal.publish();
    } catch (error) {
      throw repositoryError(error, backup);
    }
  }

  async #missing(needed: string[], now: boolean): Promise<string[]> {
    const missing: string[] = [];
    for (const segment of needed) if (!(await this.#get(segment, now))) missing.push(segment);
    return missing;
  }

  /** From the archive, or from the server if it cannot wait. */
  async #get(segment: string, now: boolean): Promise<boolean> {
    if (this.#wal.has(segment)) return true;
    // Asked first: an archiver that is through with it by then has brought it here, if that is where it archives.
    const mayTake = now || (await this.#wal.isAtRisk(segment));
    if (await this.#wal.link(segment)) return true;
    // What has gone meanwhile has been archived meanwhile, and the last look may come between the two.
    return mayTake && ((await this.#wal.take(segment)) || (await this.#wal.link(segment)));
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#look();
      await sleep(lookEvery, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Finished ones only: those before one that has been begun. */
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
    try {
      const header = parseSegmentHeader(bytes);
      const address = parseSegmentName(segment, segmentSize).number * BigInt(segmentSize);
      return header.address === address && header.systemIdentifier === systemIdentifier;
    } catch {
      return false; // made ready for later, or not begun
    }
  }
}

function walMissing(segment: string): HoldfastError {
  return new HoldfastError('failed', `WAL segment ${segment}, which the backup needs, is nowhere any more`, {
    code: 'wal_missing',
    hint: 'archive to the same repository ("holdfast wal push"), or let the server keep WAL for the copy: ALTER ROLE … REPLICATION for the role of the worker, or a larger wal_keep_size; then request the backup again',
  });
}
