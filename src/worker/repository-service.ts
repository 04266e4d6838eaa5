/**
 * Makes sure that this worker writes only to repositories of its own control database. The service claims a
 * repository when the worker starts and when the control database is adopted, checks the repository every thirty
 * seconds, and renews a claim that is older than a minute or that somebody wants to see renewed, so that a snapshot of the control database no longer owns the repository
 * after 90 seconds at most. The service also records in the cluster's row the reason for a refusal, and which backups are
 * missing and whose chains are broken.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { complainOfRepository, controlIdentity, knownRepository } from '../control/control-identity.ts';
import { standing, useFurther, useRepository, type RepositoryUse } from '../identity/repository-use.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import { lookThrough } from '../repository/repository-errors.ts';
import { howToMake, requireUsable } from '../repository/require-usable.ts';
import { PeriodicTask } from './periodic-task.ts';
import { noteFindings } from './repository-findings.ts';
import type { ServiceContext } from './service-context.ts';

/** The options of the service. */
export interface RepositoriesOptions extends ServiceContext {
  /**
   * Called when the repository of a cluster is found to be owned by this control database: at the first
   * check, and again after a refusal or an adoption.
   */
  onOurs: (cluster: string) => void;
}

/** Milliseconds between two checks. */
const lookEvery = 30_000;

/** The repositories of a worker's clusters. */
export class Repositories {
  readonly #options: RepositoriesOptions;
  readonly #service: PeriodicTask;
  /** The clusters whose repository this worker has claimed. */
  readonly #begun = new Set<string>();
  /** The reason that was logged last for each cluster. */
  readonly #complaints = new Map<string, string>();
  /** The reason that the row of each cluster had at the last check; null for none. */
  readonly #recorded = new Map<string, string | null>();
  /** By cluster: the error that was logged last when the claim could not be renewed. */
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

  /** Checks the repositories now: the control database has been adopted, or a token is wanted. */
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
        hint: 'run "holdfast adopt" if this control database is in charge from now on',
      });
    this.#rested = !confirmed;
    if (!confirmed) {
      this.#begun.clear();
      return;
    }
    for (const { name } of config.clusters) await this.#lookAt(name);
  }

  /**
   * Checks a repository that the configuration names. A worker that only holds sessions names none. The first
   * copy creates the repository if the directory allows.
   */
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
      await lookThrough(clusterDirectory, () => this.#check(use));
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.#begun.delete(cluster);
      // A worker that only holds sessions has no repository.
      const isElsewhere = error.code === 'no_repository' && !isNamed && !existsSync(repository);
      if (!isElsewhere) await this.#complain(cluster, messageOf(error), error.hint);
    }
  }

  async #check(use: RepositoryUse): Promise<void> {
    const isOurs = await this.#isOurs(use);
    if (!isOurs && !this.#options.config.worker.repositoryIsNamed) return;
    if (!isOurs) await this.#requireUsable();
    await this.#withdraw(use.cluster);
    if (isOurs) await noteFindings(use);
  }

  async #isOurs(use: RepositoryUse): Promise<boolean> {
    const { control, onOurs } = this.#options;
    const known = await control.run((db) => knownRepository(db, use.cluster));
    this.#recorded.set(use.cluster, known?.problem ?? null);
    if (this.#begun.has(use.cluster) && known?.takenOver === false) {
      if (known.isDue) await this.#renew(use);
      return (await standing(use, known)) === 'ours';
    }
    if ((await useRepository(use, whatUses(use))) === 'unused') return false;
    this.#begun.add(use.cluster);
    onOurs(use.cluster);
    return true;
  }

  /**
   * Renews the claim. If the repository cannot be written to, because the disk is full for example, this
   * control database still owns the repository.
   */
  async #renew(use: RepositoryUse): Promise<void> {
    try {
      await useFurther(use, whatUses(use));
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

  async #complain(cluster: string, problem: string, hint?: string): Promise<void> {
    const { control, log } = this.#options;
    if (this.#complaints.get(cluster) !== problem)
      log.error('does not write to the repository', { cluster, reason: problem, hint });
    this.#complaints.set(cluster, problem);
    const complaint = hint === undefined ? problem : `${problem}; ${hint}`;
    await control.run((db) => complainOfRepository(db, cluster, complaint));
  }

  async #withdraw(cluster: string): Promise<void> {
    this.#complaints.delete(cluster);
    if (this.#recorded.get(cluster) === null) return;
    await this.#options.control.run((db) => complainOfRepository(db, cluster, null));
  }
}

function whatUses({ cluster }: RepositoryUse): string {
  return `the worker of cluster ${cluster}`;
}
