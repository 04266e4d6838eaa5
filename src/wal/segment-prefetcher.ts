/** Makes several segments ready at the same time, each in a thread of its own. */
import { TaskThread } from '../system/thread-tasks.ts';
import type { FetchSetup } from './fetch-thread.ts';

/** One is decompressed while another is written. */
const atOnce = 2;

export class SegmentPrefetcher {
  readonly #setup: FetchSetup;
  readonly #idle: TaskThread<boolean>[] = [];
  readonly #underWay = new Map<string, Promise<string | undefined>>();

  constructor(setup: FetchSetup) {
    this.#setup = setup;
  }

  get names(): string[] {
    return [...this.#underWay.keys()];
  }

  get hasRoom(): boolean {
    return this.#underWay.size < atOnce;
  }

  begin(name: string): void {
    this.#underWay.set(name, this.#make(name));
  }

  /** Waits for one of them; the name of one that could not be made ready. */
  async oneDone(): Promise<string | undefined> {
    return Promise.race(this.#underWay.values());
  }

  async allDone(): Promise<void> {
    await Promise.all(this.#underWay.values());
  }

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
