/**
 * Sees to it that this worker writes to the repository of its own control database only: says so when it begins and
 * when somebody has adopted the database, looks again every few seconds, says so anew every minute, so that a snapshot
 * of the database is soon one that is not ours, and notes in the cluster's row what is wrong, and which backups are
 * missing.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import type { ControlLink } from '../control/control-link.ts';
import {
  completeCopies,
  complainOfRepository,
  controlIdentity,
  knownRepository,
  noteMissing,
} from '../control/control-identity.ts';
import { standing, useRepository, type RepositoryUse } from '../chores/repository-use.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { backupsDirectory, namesIn } from '../repository/repository-backup.ts';
import { howToMake, requireUsable } from '../repository/require-usable.ts';
import { PeriodicTask } from './periodic-task.ts';

export interface RepositoriesOptions {
  control: ControlLink;
  config: Config;
  log: Log;
  /** The first time that a cluster's repository is found to be ours. */
  onOurs: (cluster: string) => void;
}

/** Milliseconds. */
const lookEvery = 10_000;

export class Repositories {
  readonly #options: RepositoriesOptions;
  readonly #service: PeriodicTask;
  readonly #begun = new Set<string>();
  readonly #complaints = new Map<string, string | null>();
  readonly #notRenewed = new Map<string, string>();
  #rested = false;
  #missed = false;

  constructor(options: RepositoriesOptions) {
    this.#options = options;
    this.#service = new PeriodicTask(lookEvery, () => this.#look(), options.log);
  }

  start(): void {
    this.#service.start();
  }

  /** Somebody has adopted the control database. */
  wake(): void {
    this.#service.now();
  }

  stop(): Promise<void> {
    return this.#service.stop();
  }

  async #look(): Promise<void> {
    const { control, config, log } = this.#options;
    const { confirmed, origin, confirmedOrigin } = await control.run(controlIdentity);
    if (!confirmed && !this.#rested)
      log.warning('rests: this control database is a restored copy or a promoted standby of another', {
        origin,
        confirmed: confirmedOrigin,
        hint: 'run "holdfast adopt" if this one is in charge from now on',
      });
    this.#rested = !confirmed;
    if (!confirmed) {
      this.#begun.clear();
      return;
    }
    for (const { name } of config.clusters) await this.#lookAt(name);
  }

  /** One that was named: a worker that only holds sessions names none. The first copy makes it, where it can. */
  async #requireUsable(): Promise<void> {
    const { config, log } = this.#options;
    const { repository } = config.worker;
    await requireUsable(repository);
    const isMissing = !existsSync(repository);
    if (isMissing && !this.#missed)
      log.warning('the repository is not there: the first copy makes it', {
        repository,
        hint: howToMake(repository),
      });
    this.#missed = isMissing;
  }

  async #lookAt(cluster: string): Promise<void> {
    const { control, config } = this.#options;
    const { repository, repositoryIsNamed: isNamed } = config.worker;
    const clusterDirectory = join(repository, cluster);
    const use: RepositoryUse = { cluster, clusterDirectory, control: (work) => control.run(work) };
    try {
      const isOurs = await this.#isOurs(use);
      if (!isOurs && !isNamed) return;
      if (!isOurs) await this.#requireUsable();
      await this.#complain(cluster, null);
      if (isOurs) await this.#noteMissing(use);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.#begun.delete(cluster);
      // A worker that only holds sessions has no repository at all.
      const isElsewhere = error.code === 'no_repository' && !isNamed && !existsSync(repository);
      if (!isElsewhere) await this.#complain(cluster, messageOf(error), error.hint);
    }
  }

  async #isOurs(use: RepositoryUse): Promise<boolean> {
    const { control, onOurs } = this.#options;
    const known = await control.run((db) => knownRepository(db, use.cluster));
    if (this.#begun.has(use.cluster) && known?.takenOver === false) {
      if (known.isDue) await this.#renew(use);
      return (await standing(use)) === 'ours';
    }
    if ((await useRepository(use, whatUses(use))) === 'unused') return false;
    this.#begun.add(use.cluster);
    onOurs(use.cluster);
    return true;
  }

  /** Where it cannot be written to for the present, as on a full disk, it is ours all the same. */
  async #renew(use: RepositoryUse): Promise<void> {
    try {
      await useRepository(use, whatUses(use));
      this.#notRenewed.delete(use.cluster);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      const { cluster } = use;
      if (this.#notRenewed.get(cluster) !== error.message)
        this.#options.log.warning('cannot note that the repository is used', {
          cluster,
          reason: error.message,
          hint: error.hint,
        });
      this.#notRenewed.set(cluster, error.message);
    }
  }

  async #complain(cluster: string, problem: string | null, hint?: string): Promise<void> {
    const { control, log } = this.#options;
    if (problem !== null && this.#complaints.get(cluster) !== problem)
      log.error('does not write to the repository', { cluster, reason: problem, hint });
    this.#complaints.set(cluster, problem);
    const complaint = problem === null || hint === undefined ? problem : `${problem}; ${hint}`;
    await control.run((db) => complainOfRepository(db, cluster, complaint));
  }

  /** The rows come first: what is complete by then has been published. */
  async #noteMissing({ cluster, clusterDirectory, control }: RepositoryUse): Promise<void> {
    const ids = await control((db) => completeCopies(db, cluster));
    const names = await namesIn(backupsDirectory(clusterDirectory));
    const there = new Set(names.map((name) => /^\d{8}T\d{6}Z-(\d+)$/.exec(name)?.[1]));
    const missing = ids.filter((id) => !there.has(String(id)));
    await control((db) => noteMissing(db, cluster, missing));
  }
}

function whatUses({ cluster }: RepositoryUse): string {
  return `the worker of cluster ${cluster}`;
}
