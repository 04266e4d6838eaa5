/**
 * Requests a sync as soon as a repository has unsent files. While the control database is down, or has no
 * chores, the service sends the files itself: the last segments of a server are archived when that server has
 * shut down.
 */
import { join } from 'node:path';
import type { ClusterConfig, Config } from '../config/config.ts';
import { requestChore } from '../control/chore-rows.ts';
import type { ControlLink } from '../control/control-link.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { PeriodicTask } from './periodic-task.ts';
import type { ServiceContext } from './service-context.ts';

/** Milliseconds between two looks. A look makes no query. */
const lookEvery = 3000;
/** Milliseconds after which a sync is requested again if the files are still unsent. */
const askEvery = 60_000;
/** Milliseconds. The longest pause between two failed syncs without the queue. */
const longestPause = 600_000;
/** The oldest `server_version_num` with chores. */
const withChores = 130_000;

/** The syncs of all clusters that have a `sync_command`. */
export class SyncService {
  readonly #syncs: Sync[];

  constructor({ control, config, log }: ServiceContext) {
    this.#syncs = config.clusters
      .filter(({ syncCommand }) => syncCommand !== undefined)
      .map((cluster) => new Sync(cluster, config.worker, control, log));
  }

  start(): void {
    for (const { service } of this.#syncs) service.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#syncs.map((one) => one.stop()));
  }
}

/** The syncs of one cluster. */
class Sync {
  readonly service: PeriodicTask;
  readonly #cluster: ClusterConfig;
  readonly #clusterDirectory: string;
  readonly #walReserve: number;
  readonly #control: ControlLink;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  /** When a sync was requested last, from `performance.now()`. */
  #asked = -Infinity;
  /**
   * The end of the last successful sync, as of the last look that found unsent files. A new value means that
   * a sync has ended since then.
   */
  #askedSince: string | undefined;
  /** Whether the control database was down at the last look. */
  #awayAtLastLook = false;
  /** Milliseconds until the next sync after a failure; 0 after a success. */
  #pause = 0;
  /** When the next sync may begin, from `performance.now()`. */
  #notBefore = 0;

  constructor(
    cluster: ClusterConfig,
    { repository, walReserve }: Config['worker'],
    control: ControlLink,
    log: Log,
  ) {
    this.#cluster = cluster;
    this.#clusterDirectory = join(repository, cluster.name);
    this.#walReserve = walReserve;
    this.#control = control;
    this.#log = log;
    this.service = new PeriodicTask(lookEvery, () => this.#look(), log);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.service.stop();
  }

  async #look(): Promise<void> {
    const { findUnsent } = await import('../offsite/find-unsent.ts');
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
    // A running sync may have begun before the newest file came: another sync is requested after it.
    if (isNew) this.#asked = now;
  }

  /** Sends without the queue. Pauses after failures double, as in the queue. */
  async #send(): Promise<void> {
    if (performance.now() < this.#notBefore) return;
    const { name, syncCommand: command = [], syncTimeout: timeout } = this.#cluster;
    try {
      const { syncRepository } = await import('../offsite/sync-repository.ts');
      await syncRepository({
        clusterDirectory: this.#clusterDirectory,
        command,
        timeout,
        walReserve: this.#walReserve,
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
