/**
 * Asks for a sync as soon as there is something unsent in a repository. While the control database is away, or has no
 * chores, it sends by itself: the last segments of a server are archived when that has shut down.
 */
import { join } from 'node:path';
import { findUnsent, syncRepository } from '../offsite/sync-repository.ts';
import type { ClusterConfig, Config } from '../config/config.ts';
import { requestChore } from '../control/chore-rows.ts';
import type { ControlLink } from '../control/control-link.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { PeriodicTask } from './periodic-task.ts';

export interface SyncServiceOptions {
  control: ControlLink;
  config: Config;
  log: Log;
}

/** Milliseconds. The look costs no query. */
const lookEvery = 3000;
/** What was asked for is asked for again when it has not been done by then. */
const askEvery = 60_000;
const longestPause = 600_000;
/** The oldest server with chores. */
const withChores = 130_000;

export class SyncService {
  readonly #syncs: Sync[];

  constructor({ control, config, log }: SyncServiceOptions) {
    this.#syncs = config.clusters
      .filter(({ syncCommand }) => syncCommand !== undefined)
      .map((cluster) => new Sync(cluster, join(config.worker.repository, cluster.name), control, log));
  }

  start(): void {
    for (const { service } of this.#syncs) service.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#syncs.map((one) => one.stop()));
  }
}

/** Of one cluster. */
class Sync {
  readonly service: PeriodicTask;
  readonly #cluster: ClusterConfig;
  readonly #clusterDirectory: string;
  readonly #control: ControlLink;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  #asked = -Infinity;
  #askedSince: string | undefined;
  #awayAtLastLook = false;
  #pause = 0;
  #notBefore = 0;

  constructor(cluster: ClusterConfig, clusterDirectory: string, control: ControlLink, log: Log) {
    this.#cluster = cluster;
    this.#clusterDirectory = clusterDirectory;
    this.#control = control;
    this.#log = log;
    this.service = new PeriodicTask(lookEvery, () => this.#look(), log);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.service.stop();
  }

  async #look(): Promise<void> {
    const unsent = await findUnsent(this.#clusterDirectory);
    if (unsent === undefined || unsent.since !== this.#askedSince) this.#asked = -Infinity;
    if (unsent === undefined) return;
    this.#askedSince = unsent.since;
    const away = !this.#control.isUp;
    const alone = away ? this.#awayAtLastLook : this.#control.serverVersion < withChores;
    this.#awayAtLastLook = away;
    if (alone) await this.#send();
    else if (!away) await this.#ask();
  }

  async #ask(): Promise<void> {
    const now = performance.now();
    if (now - this.#asked < askEvery) return;
    const isNew = await this.#control.tryOnce((db) => requestChore(db, this.#cluster.name, 'sync'));
    // One that is under way may have begun before the newest came: that is asked for after it.
    if (isNew) this.#asked = now;
  }

  /** With pauses that grow, as the queue has them. */
  async #send(): Promise<void> {
    if (performance.now() < this.#notBefore) return;
    const { name, syncCommand: command = [], syncTimeout: timeout } = this.#cluster;
    try {
      await syncRepository({
        clusterDirectory: this.#clusterDirectory,
        command,
        timeout,
        wait: 0,
        force: false,
        signal: this.#stopping.signal,
        onSent: ({ backup, present, files }) =>
          this.#log.info('sent off-site', { cluster: name, backup, present, files }),
      });
      this.#pause = 0;
    } catch (error) {
      if (this.#stopping.signal.aborted || (error instanceof HoldfastError && error.code === 'locked'))
        return;
      this.#pause = Math.min(Math.max(1000, this.#pause * 2), longestPause);
      this.#notBefore = performance.now() + this.#pause;
      this.#log.warning('sending off-site failed', { cluster: name, reason: messageOf(error) });
    }
  }
}
