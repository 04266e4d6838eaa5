/** Prefetches several segments at the same time. */
import { rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { prefetchSegment, type PrefetchSetup } from './prefetch-segment.ts';

/** One segment is decompressed while another is written. */
const atOnce = 2;

/** The segments that a prefetch process has in hand. */
export class SegmentPrefetcher {
  readonly #setup: PrefetchSetup;
  readonly #underWay = new Map<string, Promise<string | undefined>>();
  #synced: Promise<void> = Promise.resolve();

  constructor(setup: PrefetchSetup) {
    this.#setup = setup;
  }

  /** The names of the segments in progress. */
  get names(): string[] {
    return [...this.#underWay.keys()];
  }

  /** Whether another segment may be started. */
  get hasRoom(): boolean {
    return this.#underWay.size < atOnce;
  }

  /** Starts to prefetch a segment. */
  begin(name: string): void {
    this.#underWay.set(name, this.#make(name));
  }

  /** Waits for one segment. Returns its name where the segment could not be prefetched, or else undefined. */
  async oneDone(): Promise<string | undefined> {
    return Promise.race(this.#underWay.values());
  }

  /** Waits for all segments in progress. */
  async allDone(): Promise<void> {
    await Promise.all(this.#underWay.values());
  }

  /** Waits for all segments, and for the disk. */
  async end(): Promise<void> {
    await this.allDone();
    await this.#synced;
  }

  async #make(name: string): Promise<string | undefined> {
    const file = await prefetchSegment(this.#setup, name).catch(() => undefined);
    this.#underWay.delete(name);
    if (file === undefined) return name;
    this.#synced = this.#synced.then(() => syncAndClose(file, join(this.#setup.spool, name)));
    return undefined;
  }
}

/**
 * PostgreSQL syncs each segment before it replays the segment, and waits for the disk then, unless the segment is there
 * already. The kernel reports to one file descriptor what it could not write: to this one, so that a segment that is not
 * on the disk goes, and is fetched anew.
 */
async function syncAndClose(file: FileHandle, path: string): Promise<void> {
  await file.datasync().catch(() => rm(path, { force: true }).catch(() => undefined));
  await file.close().catch(() => undefined);
}
