/** Prefetches several segments at the same time, each in a thread. */
import { TaskThread } from '../system/thread-tasks.ts';
import type { FetchSetup } from './fetch-thread.ts';

/** One segment is decompressed while another is written. */
const atOnce = 2;

/** The threads of a prefetch process. */
export class SegmentPrefetcher {
  readonly #setup: FetchSetup;
  readonly #idle: TaskThread<boolean>[] = [];
  readonly #underWay = new Map<string, Promise<string | undefined>>();

  constructor(setup: FetchSetup) {
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

  /** Waits for all segments and ends the threads. */
  async end(): Promise<void> {
    await this.allDone();
    await Promise.all(this.#idle.map((thread) => thread.end()));
  }

  async #make(name: string): Promise<string | undefined> {
    const thread = this.#idle.pop() ?? this.#newThread();
    const isReady = await thread.do(name).catch(() => false);
    this.#idle.push(thread);
    this.#underWay.delete(name);
    return isReady ? undefined : name;
  }

  #newThread(): TaskThread<boolean> {
    return new TaskThread(import.meta.url, 'fetch-thread', this.#setup);
  }
}
