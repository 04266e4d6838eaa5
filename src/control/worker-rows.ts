/** Workers and the clusters that workers serve, in the control database. */
import { HoldfastError } from '../errors.ts';
import { ServerError, type Connection } from '../database/connection.ts';
import type { ArchiverReport } from '../postgres/archiver-report.ts';
import { randomLockKey } from '../database/random-key.ts';
import { terminateSession } from '../database/terminate-session.ts';

/** One run of a worker. */
export interface WorkerIdentity {
  /** The configured name, or the name of the host; a number is appended to a host name that is taken. */
  name: string;
  /** The name before a reconnect, which the worker keeps if possible. */
  currentName?: string;
  /** Whether the name is configured, so that no number is appended. */
  nameIsFixed: boolean;
  /** Random ID of this run of the worker. */
  instance: string;
  clusters: string[];
  version: string;
  host: string;
  hostPid: number;
}

/** What a worker registers beside its identity. */
export interface Registration {
  /** The key of the lock that its session holds. */
  lockKey: string;
  draining: boolean;
  /** The keys of the proxy locks, by the id of the request. */
  proxyLocks: ReadonlyMap<number, string>;
}

/** Takes an advisory lock with a new random key. Returns the key. */
export async function takeLock(db: Connection): Promise<string> {
  for (;;) {
    const key = randomLockKey();
    const [row] = await db.run('worker', 'try_lock', { key });
    if (row?.locked === true) return key;
  }
}

/** Releases a lock of takeLock. */
export async function releaseLock(db: Connection, key: string): Promise<void> {
  await db.run('worker', 'unlock', { key });
}

/**
 * Registers this run of a worker with the lock of its session, and returns the name under which the worker is
 * registered. A half-open session of this same run is terminated.
 * @throws HoldfastError `worker_name_taken`
 */
export async function registerWorker(
  db: Connection,
  identity: WorkerIdentity,
  registration: Registration,
): Promise<string> {
  for (;;) {
    try {
      return await tryToRegister(db, identity, registration);
    } catch (error) {
      // Another worker registered this name at the same time; the row of that worker is visible now.
      if (!(error instanceof ServerError) || error.code !== objectInUse) throw error;
    }
  }
}

const objectInUse = '55006';

function tryToRegister(
  db: Connection,
  identity: WorkerIdentity,
  { lockKey, draining, proxyLocks }: Registration,
): Promise<string> {
  return db.transaction(async () => {
    const name = await freeName(db, identity);
    await db.run('worker', 'register_cluster', { names: identity.clusters });
    await db.run('worker', 'register', {
      name,
      instance: identity.instance,
      clusters: identity.clusters,
      version: identity.version,
      host: identity.host,
      host_pid: identity.hostPid,
      lock_key: lockKey,
      draining,
    });
    for (const [id, key] of proxyLocks) {
      await db.run('worker', 'set_proxy_key', { id, instance: identity.instance, proxy_key: key });
    }
    return name;
  });
}

async function freeName(db: Connection, identity: WorkerIdentity): Promise<string> {
  for (const name of names(identity)) {
    const [holder] = await db.run('worker', 'holder_of_name', { name });
    if (holder === undefined || !holder.alive) return name;
    if (holder.instance === identity.instance) {
      await terminateSession(db, holder.pid, holder.lockKey);
      return name;
    }
    if (identity.nameIsFixed) {
      throw new HoldfastError('usage', `a worker named "${name}" is alive already`, {
        code: 'worker_name_taken',
        hint: 'give each worker a name of its own ([worker] name, HOLDFAST_NAME), or none',
      });
    }
  }
  throw new Error('every name is taken');
}

function* names({ name, currentName }: WorkerIdentity): Generator<string> {
  if (currentName !== undefined) yield currentName;
  yield name;
  for (let number = 2; number < 10_000; number += 1) yield `${name}-${number}`;
}

/**
 * Writes a sign of life. Returns the version of the schema, which an upgrade may have changed; undefined: the
 * worker is not registered.
 */
export async function heartbeat(
  db: Connection,
  instance: string,
  draining: boolean,
): Promise<number | undefined> {
  const [row] = await db.run<{ schemaVersion: number }>('worker', 'heartbeat', { instance, draining });
  return row?.schemaVersion;
}

/** Records the new monitor session of this worker on the server of a cluster. */
export async function setMonitor(
  db: Connection,
  instance: string,
  cluster: string,
  monitor: { pid: number; lockKey: string },
): Promise<void> {
  const { pid, lockKey } = monitor;
  await db.run('worker', 'set_monitor', { instance, cluster, pid, lock_key: lockKey });
}

/** Records the state of the archiver of a cluster. */
export async function reportCluster(db: Connection, name: string, report: ArchiverReport): Promise<void> {
  await db.run('worker', 'report_cluster', {
    name,
    server_version: report.serverVersion,
    archive_mode: report.archiveMode,
    archiver_failing: report.archiverFailing,
    last_archived_wal: report.lastArchivedWal,
    last_archived_at: report.lastArchivedAt,
    last_failed_wal: report.lastFailedWal,
    last_failed_at: report.lastFailedAt,
    wal_waiting: report.walWaiting,
    wal_waiting_for: report.walWaitingFor,
    recovery_settings: report.recoverySettings,
  });
}
