/** The services that a worker runs besides holding backups: how they start, wake up and stop together. */
import { reportArchivers } from './report-archivers.ts';
import { Chores, type ChoresOptions } from './chore-service.ts';
import { clockService } from './clock-service.ts';
import { PeriodicTask } from './periodic-task.ts';
import { holdsService } from './holds-service.ts';
import { removeAbandonedDrills, cleanUpAtStart } from './startup-cleanup.ts';
import { Repositories } from './repository-service.ts';
import { Scheduler } from './scheduler.ts';
import { SyncService } from './sync-service.ts';
import { WalServices } from './wal-services.ts';
import type { ServersContext } from './service-context.ts';

/** The options of the services. */
export type ServicesOptions = ServersContext & ChoresOptions;

/** Milliseconds between two reports about the archivers. */
const reportEvery = 30_000;

/** The services of a worker. */
export class Services {
  readonly #options: ServicesOptions;
  readonly #report: PeriodicTask;
  readonly #repositories: Repositories;
  readonly #wal: WalServices;
  readonly #scheduler: Scheduler;
  readonly #chores: Chores;
  readonly #sync: SyncService;
  readonly #holds: PeriodicTask;
  readonly #clock: PeriodicTask;

  constructor(options: ServicesOptions) {
    const { control, servers, log } = options;
    this.#options = options;
    this.#report = new PeriodicTask(reportEvery, () => reportArchivers(control, servers.values(), log), log);
    const { repository } = options.config.worker;
    this.#repositories = new Repositories({
      ...options,
      onOurs: (cluster) => {
        this.#clock.now();
        void cleanUpAtStart(control, repository, [cluster], log);
      },
    });
    this.#wal = new WalServices(options);
    this.#scheduler = new Scheduler({ control, clusters: [...servers.keys()], log });
    this.#chores = new Chores(options);
    this.#sync = new SyncService(options);
    this.#holds = holdsService(options);
    this.#clock = clockService(options);
  }

  start(): void {
    const { config, log } = this.#options;
    for (const service of [
      this.#report,
      this.#repositories,
      this.#wal,
      this.#scheduler,
      this.#chores,
      this.#sync,
      this.#holds,
      this.#clock,
    ])
      service.start();
    void removeAbandonedDrills(config.clusters, log);
  }

  /** Reads the tables after a reconnect: notifications that were sent in the meantime are lost. */
  readTables(): void {
    this.#scheduler.wake();
    this.#chores.wake();
    this.#holds.now();
  }

  /** Records which WAL is archived and what can be restored: a backup has ended. */
  surveyArchives(): void {
    this.#wal.survey();
  }

  /** Passes a notification on. Returns whether the notification was for one of the services. */
  notified({ chore, schedule, adopted, held, wanted }: Record<string, unknown>): boolean {
    if (adopted !== undefined) {
      this.#repositories.wake();
      this.readTables();
    }
    if (chore !== undefined) this.#chores.wake();
    if (schedule !== undefined) this.#scheduler.wake();
    if (held !== undefined) this.#holds.now();
    if (wanted !== undefined) this.#repositories.wake();
    return [chore, schedule, adopted, held, wanted].some((about) => about !== undefined);
  }

  /**
   * Begins no more chores and returns the running ones to the queue. The WAL services run until `stop`,
   * because held backups need their WAL archived.
   */
  async drain(): Promise<void> {
    void this.#scheduler.stop();
    await Promise.all([this.#chores.stop(), this.#sync.stop()]);
  }

  async stop(): Promise<void> {
    await Promise.all(
      [this.#report, this.#repositories, this.#wal, this.#scheduler, this.#holds, this.#clock].map(
        (service) => service.stop(),
      ),
    );
  }
}
