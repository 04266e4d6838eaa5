// Where scenarios play: an installed database, somebody who requests backups, and real workers in processes of their
// own, whose login has no more rights than the manual asks for.
import type { Teardown } from '../../dev/harness/children.ts';
import { backup, untilState, type Backup } from './backups.ts';
import { ownCluster, type OwnClusterOptions, type TestCluster } from './cluster.ts';
import type { Patience } from './eventually.ts';
import { asRole, installedDatabase, type InstalledDatabase, type Login } from './installed-database.ts';
import { startWorkerProcess, type WorkerOptions, type WorkerProcess } from './process.ts';
import type { BackupState } from './requests.ts';
import { connect, type SqlClient } from './sql-client.ts';

export interface Scene {
  readonly db: InstalledDatabase;
  /** The superuser. */
  readonly admin: SqlClient;
  /** A requester. */
  readonly client: Login;
  /** The worker's login. */
  readonly workerLogin: Login;
  startWorker: (options?: Partial<WorkerOptions>) => Promise<WorkerProcess>;
  row(id: string): Promise<Backup>;
  /** The row of backup_status; undefined when the request is over. */
  status(id: string): Promise<StatusRow | undefined>;
  /** Resolves with the row once it is in that state; rejects as soon as it never will be. */
  untilState: (id: string, state: BackupState, patience?: Patience) => Promise<Backup>;
  /** Every state that the request has been in, in order. */
  history(id: string): Promise<string[]>;
}

export interface StatusRow {
  state: string;
  session: string | null;
  waiting_for: string | null;
  worker: string | null;
}

/** On the shared cluster, unless the test breaks it: then on one of its own. */
export async function scene(t: Teardown, cluster?: TestCluster): Promise<Scene> {
  const db = await installedDatabase(t, cluster);
  const admin = await connect(t, db.url);
  const client = await asRole(t, db, 'requester');
  const workerLogin = await asRole(t, db, 'worker');
  await grantBackups(admin, workerLogin.role, db.cluster.version);

  return {
    db,
    admin,
    client,
    workerLogin,
    row: (id) => backup(admin, id),
    startWorker: (options) => startWorkerProcess(t, { url: workerLogin.url, ...options }),
    async status(id) {
      const rows = await admin.query<StatusRow & object>(
        'select * from holdfast.backup_status where id = $1',
        [id],
      );
      return rows[0];
    },
    untilState: (id, state, patience) => untilState(admin, id, state, patience),
    async history(id) {
      const events = await admin.query<{ to_state: string }>(
        'select to_state from holdfast.backup_event where request_id = $1 order by id',
        [id],
      );
      return events.map(({ to_state }) => to_state);
    },
  };
}

export async function sceneOfItsOwn(t: Teardown, options: OwnClusterOptions = {}): Promise<Scene> {
  return scene(t, await ownCluster(t, { installed: true, ...options }));
}

/** The two functions and pg_monitor: all that a worker needs where it backs up. */
export async function grantBackups(admin: SqlClient, role: string, version: number): Promise<void> {
  const functions =
    version >= 15
      ? 'pg_backup_start(text, boolean), pg_backup_stop(boolean)'
      : 'pg_start_backup(text, boolean, boolean), pg_stop_backup(boolean, boolean)';
  await admin.query(`grant execute on function ${functions} to ${role}; grant pg_monitor to ${role}`);
}
