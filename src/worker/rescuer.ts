/**
 * Takes over the requests of dead workers. A request whose backup session is gone has failed, unless the
 * backup was being stopped: then its label may be in the label directory or in the server's backup history
 * file. A copy made by Holdfast counts only if the copy is whole in the repository. For a request whose label
 * is stored, a worker only has to watch the archiver.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { copyIsNoBackup, RequestRun, recordFailure, type RunContext } from '../backup/request-run.ts';
import { storeLabel } from '../backup/store-label.ts';
import { findEntryOf } from '../repository/label-entries.ts';
import { backupRecord, type BackupRecord } from '../repository/label-entry.ts';
import { recordDamage } from '../backup/record-damage.ts';
import { recoverBackupStop } from '../backup/recover-label.ts';
import { removeLeftoversOf, storedCopyStop } from '../backup/copy/recover-stored-copy.ts';
import { complete } from '../backup/run-backup.ts';
import type { ClusterServer } from '../server/cluster-server.ts';
import type { ControlLink } from '../control/control-link.ts';
import {
  abandonedRequest,
  adoptRequest,
  lockIsHeldHere,
  markFailed,
  type AbandonedRequest,
} from '../control/backup-requests.ts';
import { terminateSession } from '../database/terminate-session.ts';
import { sessionIsThere } from '../server/server-queries.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import type { BackupStart, BackupStop } from '../postgres/backup-facts.ts';
import type { Log } from '../log.ts';
import type { ActiveRuns } from './active-runs.ts';

/** The options of the rescuer. */
export interface RescuerOptions {
  control: ControlLink;
  instance: string;
  servers: ReadonlyMap<string, ClusterServer>;
  activeRuns: ActiveRuns;
  contextOf: (server: ClusterServer) => RunContext;
  /** The label directory. */
  labels: string;
  repository: string;
  log: Log;
}

/**
 * Milliseconds for which a worker may be gone before another worker takes over its request in state `done` or
 * `archiving`. The worker may still hold the label of a stopped backup, or watch the archiver. A reconnect
 * takes less.
 */
const grace = 1500;

/** Decides what happens to the requests of dead workers. */
export class Rescuer {
  readonly #options: RescuerOptions;
  readonly #considering = new Set<number>();
  /** By request: when its worker was first seen missing. Milliseconds of `Date.now()`. */
  readonly #firstSeen = new Map<number, number>();

  constructor(options: RescuerOptions) {
    this.#options = options;
  }

  /** Handles one request in the background: a server that does not answer delays nothing else. */
  consider(id: number): void {
    if (this.#considering.has(id)) return;
    this.#considering.add(id);
    void this.#consider(id)
      .catch((error: unknown) => {
        this.#options.log.warning('cannot take over a request yet', {
          request: id,
          reason: messageOf(error),
        });
      })
      .finally(() => this.#considering.delete(id));
  }

  async #consider(id: number): Promise<void> {
    const { control, servers } = this.#options;
    const request = await control.run((db) => abandonedRequest(db, id));
    if (request === undefined) return;
    const server = servers.get(request.cluster);
    if (request.state === 'archiving' || request.state === 'done') {
      const left = grace - this.#awayFor(id);
      if (left > 0) return this.#considerIn(left, id);
    }
    if (request.state === 'archiving') {
      if (server) await this.#adopt(request, server);
    } else if ((await this.#sessionIsGone(request, server)) && (server || request.state !== 'done')) {
      await this.#failOrAdopt(request, server);
    }
  }

  /** The worker of the request is alive: its next absence is measured from zero. */
  forget(id: number): void {
    this.#firstSeen.delete(id);
  }

  #considerIn(milliseconds: number, id: number): void {
    setTimeout(() => this.consider(id), milliseconds).unref();
  }

  /** Milliseconds since the worker of a request was first seen missing. */
  #awayFor(id: number): number {
    const since = this.#firstSeen.get(id) ?? Date.now();
    this.#firstSeen.set(id, since);
    return Date.now() - since;
  }

  /**
   * Whether the backup session is gone, as seen from the server of the session. Returns false if the state is
   * unknown. A session that a dead worker left busy is terminated.
   */
  async #sessionIsGone(request: AbandonedRequest, server: ClusterServer | undefined): Promise<boolean> {
    if (server === undefined && !request.here) return false;
    const isThere = async () =>
      server
        ? sessionIsThere((await server.monitor()).db, request.pid, request.lockKey, request.login)
        : this.#options.control.run((db) => lockIsHeldHere(db, request.id));
    if (!(await isThere())) return true;
    if (server === undefined || !(await isDeadButBusy(request, server))) return false;
    this.#options.log.info('ending the session that a dead worker left busy', {
      request: request.id,
      pid: request.pid,
    });
    await terminateSession((await server.monitor()).db, request.pid, request.lockKey);
    for (const deadline = Date.now() + 2000; Date.now() < deadline; await sleep(50)) {
      if (!(await isThere())) return true;
    }
    return false;
  }

  async #failOrAdopt(request: AbandonedRequest, server: ClusterServer | undefined): Promise<void> {
    if (request.state === 'done' && server) return this.#adopt(request, server);
    if (request.method === 'copy' && server)
      await removeLeftoversOf(this.#clusterDirectory(request), request);
    const { code, message, hint = null } = workerLost(request);
    await this.#options.control.run((db) => markFailed(db, request.id, { code, message, hint }));
    this.#options.log.warning('failed a request that a dead worker left', {
      request: request.id,
      state: request.state,
    });
  }

  async #adopt(request: AbandonedRequest, server: ClusterServer): Promise<void> {
    const { control, instance, activeRuns, contextOf, log } = this.#options;
    this.#firstSeen.delete(request.id);
    if (!(await control.run((db) => adoptRequest(db, request.id, control.name, instance)))) return;
    log.info('took over a request from a dead worker', { request: request.id, state: request.state });
    const run = new RequestRun(request.id, contextOf(server));
    activeRuns.add(run, { requestedBy: '', requestedLogin: null }, this.#resume(run, request, server));
  }

  async #resume(run: RequestRun, request: AbandonedRequest, server: ClusterServer): Promise<void> {
    try {
      const record =
        request.state === 'archiving' ? storedRecord(request) : await this.#recover(run, request, server);
      await complete(run, request, record);
    } catch (error) {
      await recordFailure(run, error).catch((failed: unknown) => {
        this.#options.log.error('a failure was not written', { request: run.id, reason: messageOf(failed) });
      });
    }
  }

  /** Recovers the label of a backup whose worker died while, or shortly before, the backup was stopped. */
  async #recover(run: RequestRun, request: AbandonedRequest, server: ClusterServer): Promise<BackupRecord> {
    const { id, cluster, label, start } = request;
    if (start === undefined) throw workerLost(request);
    if (request.method === 'copy') return this.#recoverCopy(run, request, start);
    const kept = await findEntryOf(this.#options.labels, { ...start, id, cluster });
    const stop: BackupStop | undefined = kept
      ? { ...kept.description, label: kept.label, tablespaceMap: kept.tablespaceMap }
      : await recoverBackupStop(server, label, start);
    if (stop === undefined) throw workerLost(request);
    const record = backupRecord(request, start, stop);
    run.warn(
      `the worker died between stop and write; backup_label was ${kept ? 'found in the label directory' : 'rebuilt from the backup history file'}`,
    );
    await storeLabel(run, stop, kept ? null : record);
    return record;
  }

  /**
   * Completes a copy whose worker died after `pg_backup_stop`: if the backup is whole in the repository, only
   * the row is out of date.
   */
  async #recoverCopy(run: RequestRun, request: AbandonedRequest, start: BackupStart): Promise<BackupRecord> {
    const { id, cluster } = request;
    const directory = this.#clusterDirectory(request);
    const stop = await storedCopyStop(directory, { ...start, id });
    await removeLeftoversOf(directory, request);
    if (stop === undefined) throw workerLost(request);
    run.warn('the worker died after the backup was stored; its label was found in the repository');
    await recordDamage(run, stop.damagedPages);
    const record = backupRecord(request, start, stop);
    const kept = await findEntryOf(this.#options.labels, { ...start, id, cluster });
    await storeLabel(run, stop, kept ? null : record);
    return record;
  }

  #clusterDirectory({ cluster }: AbandonedRequest): string {
    return join(this.#options.repository, cluster);
  }
}

/**
 * Whether the worker of a busy session is dead. A server notices a vanished client at once when the session
 * is idle, but not during a checkpoint (PostgreSQL 12 and 13 have no `client_connection_check_interval`). If
 * the worker's monitor session is gone too, the worker is dead.
 */
async function isDeadButBusy(request: AbandonedRequest, server: ClusterServer): Promise<boolean> {
  if (request.state === 'running' || request.monitorPid === null || request.monitorKey === null) return false;
  const { db } = await server.monitor();
  return !(await sessionIsThere(db, request.monitorPid, request.monitorKey, request.login));
}

/** The record of a backup whose label is stored. */
function storedRecord(request: AbandonedRequest): BackupRecord {
  const { start, stop } = request;
  if (start === undefined || stop === undefined) throw workerLost(request);
  return backupRecord(request, start, stop);
}

function workerLost({ state }: AbandonedRequest): HoldfastError {
  return new HoldfastError(
    'failed',
    `the worker and its backup session were gone while the request was ${state}`,
    {
      code: 'worker_lost',
      hint: copyIsNoBackup,
    },
  );
}
