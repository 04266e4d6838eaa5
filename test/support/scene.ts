// Where scenarios play: an installed database, somebody who requests backups, and real workers in processes of their
// own, whose login has no more rights than the manual asks for.
import type { ExecutionContext } from 'ava';
import { ownCluster, type OwnClusterOptions, type TestCluster } from './cluster.ts';
import { eventually, type Patience } from './eventually.ts';
import { asRole, installedDatabase, type InstalledDatabase, type Login } from './installed-database.ts';
import { startWorkerProcess, type WorkerOptions, type WorkerProcess } from './process.ts';
import { connect, type SqlClient } from './sql-client.ts';

export interface Scene {
  readonly db: InstalledDatabase;
  /** The superuser. */
  readonly admin: SqlClient;
  /** A requester. */
  readonly client: Login;
  /** The worker's login. */
  readonly workerLogin: Login;
  startWorker(options?: Partial<WorkerOptions>): Promise<WorkerProcess>;
  row(id: string): Promise<RequestRow>;
  /** The row of backup_status; undefined when the request is over. */
  status(id: string): Promise<StatusRow | undefined>;
  /** Resolves with the row once it is in that state; rejects as soon as it never will be. */
  untilState(id: string, state: string, patience?: Patience): Promise<RequestRow>;
  /** Every state that the request has been in, in order. */
  history(id: string): Promise<string[]>;
}

export interface RequestRow {
  state: string;
  worker: string | null;
  pid: number | null;
  start_lsn: string | null;
  start_wal: string | null;
  backup_label: string | null;
  tablespace_map: string | null;
  error_code: string | null;
  error: string | null;
  hint: string | null;
  warnings: string[];
}

export interface StatusRow {
  state: string;
  session: string | null;
  waiting_for: string | null;
  worker: string | null;
}

/** On the shared cluster, unless the test breaks it: then on one of its own. */
export async function scene(t: ExecutionContext, cluster?: TestCluster): Promise<Scene> {
  const db = await installedDatabase(t, cluster);
  const admin = await connect(t, db.url);
  const client = await asRole(t, db, 'requester');
  const workerLogin = await asRole(t, db, 'worker');
  await grantBackups(admin, workerLogin.role, db.cluster.version);

  const row = async (id: string) => {
    const [found] = await admin.query<RequestRow & object>(
      'select * from holdfast.backup_request where id = $1',
      [id],
    );
    if (!found) throw new Error(`backup request ${id} does not exist`);
    return found;
  };
  return {
    db,
    admin,
    client,
    workerLogin,
    row,
    startWorker: (options) => startWorkerProcess(t, { url: workerLogin.url, ...options }),
    async status(id) {
      const rows = await admin.query<StatusRow & object>(
        'select * from holdfast.backup_status where id = $1',
        [id],
      );
      return rows[0];
    },
    untilState(id, state, patience) {
      return eventually(
        `request ${id} is ${state}`,
        () => row(id).then((it) => inState(id, it, state)),
        patience,
      );
    },
    async history(id) {
      const events = await admin.query<{ to_state: string }>(
        'select to_state from holdfast.backup_event where request_id = $1 order by id',
        [id],
      );
      return events.map(({ to_state }) => to_state);
    },
  };
}

export async function sceneOfItsOwn(t: ExecutionContext, options: OwnClusterOptions = {}): Promise<Scene> {
  return scene(t, await ownCluster(t, options));
}

/** The two functions and pg_monitor: all that a worker needs where it backs up. */
export async function grantBackups(admin: SqlClient, role: string, version: number): Promise<void> {
  const functions =
    version >= 15
      ? 'pg_backup_start(text, boolean), pg_backup_stop(boolean)'
      : 'pg_start_backup(text, boolean, boolean), pg_stop_backup(boolean, boolean)';
  await admin.query(`grant execute on function ${functions} to ${role}; grant pg_monitor to ${role}`);
}

function inState(id: string, row: RequestRow, wanted: string): RequestRow | undefined {
  if (row.state === wanted) return row;
  if (['complete', 'failed', 'cancelled'].includes(row.state)) {
    throw new Error(`request ${id} is not ${wanted} but ${row.state}: ${row.error_code} ${row.error}`);
  }
  return undefined;
}
