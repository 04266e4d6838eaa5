/**
 * The session in which pg_backup_start and pg_backup_stop are called. Both functions must be called in the same
 * session, and the end of the session aborts the backup. The session holds an advisory lock, so that other workers
 * can see whether the session is still there. An idle session is pinged; a busy session (start, stop) is looked up
 * from the monitor session, since a ping would wait behind the call.
 */
import type { Connection } from '../database/connection.ts';
import type { BackupStart, BackupStop } from '../postgres/backup-facts.ts';
import { terminateSession } from '../database/terminate-session.ts';
import {
  sessionIsThere,
  startBackup,
  stopBackup,
  tablespaces,
  type SessionIdentity,
} from '../server/server-queries.ts';
import type { ClusterServer, ServerSession } from '../server/cluster-server.ts';
import { backupFunctions } from '../server/backup-functions.ts';

/** Milliseconds between two checks of the session. */
const watchEvery = 3000;
/**
 * Milliseconds. A server that is frozen for a snapshot answers late but is not gone. After this time the server
 * has dropped the connection (tcp_user_timeout).
 */
const pingWithin = 30_000;

/** A backup session on the server. */
export class BackupSession {
  readonly db: Connection;
  /** The key of the advisory lock that the session holds. */
  readonly lockKey: string;
  readonly identity: SessionIdentity;
  readonly #server: ClusterServer;
  readonly #watch: NodeJS.Timeout;
  #looking = false;

  private constructor(server: ClusterServer, { db, lockKey, identity }: ServerSession) {
    this.#server = server;
    this.db = db;
    this.lockKey = lockKey;
    this.identity = identity;
    this.#watch = setInterval(() => void this.#look(), watchEvery);
    db.onLost(() => clearInterval(this.#watch));
  }

  /**
   * Opens a session.
   * @throws HoldfastError where the server cannot be reached or the connection must not be used
   */
  static async open(server: ClusterServer): Promise<BackupSession> {
    return new BackupSession(server, await server.takeSession());
  }

  /** Calls the listener once when the session is lost. */
  onLost(listener: (reason: Error) => void): void {
    this.db.onLost(listener);
  }

  /** Calls pg_backup_start, which waits for a checkpoint. */
  async begin(label: string, fast: boolean): Promise<BackupStart> {
    const started = await startBackup(this.db, backupFunctions(this.db.serverVersion).start, label, fast);
    return { ...started, tablespaces: await tablespaces(this.db) };
  }

  /**
   * Calls pg_backup_stop without waiting for the archiver: a stuck archiver must not keep the worker from reading
   * backup_label.
   */
  stop(): Promise<BackupStop> {
    return stopBackup(this.db, backupFunctions(this.db.serverVersion).stop);
  }

  /** Closes the session. The server aborts a backup that is still open. */
  async close(): Promise<void> {
    clearInterval(this.#watch);
    if (this.db.isBusy) await this.#terminateSession();
    else await this.db.close();
  }

  /**
   * Terminates a busy session from the monitor session. Without pg_terminate_backend, the server would notice the
   * closed connection only after the checkpoint.
   */
  async #terminateSession(): Promise<void> {
    try {
      const { db } = await this.#server.monitor();
      await terminateSession(db, this.identity.pid, this.lockKey);
    } catch {
      // The server cannot be reached. The server ends the session when the server notices that the client is gone.
    } finally {
      this.db.cut();
    }
  }

  async #look(): Promise<void> {
    if (this.#looking || this.db.isLost) return;
    this.#looking = true;
    try {
      if (!this.db.isBusy) await this.db.query('select 1', [], { timeout: pingWithin });
      else if (!(await this.#isThere())) this.db.cut(new Error('the session is no longer on the server'));
    } catch {
      // A failed ping has closed the connection. A failed look from the monitor session says nothing about the
      // backup session.
    } finally {
      this.#looking = false;
    }
  }

  async #isThere(): Promise<boolean> {
    const { db } = await this.#server.monitor();
    return sessionIsThere(db, this.identity.pid, this.lockKey, this.identity.login);
  }
}
