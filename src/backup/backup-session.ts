/**
 * The session that PostgreSQL's backup lives in: pg_backup_start and pg_backup_stop must be called in the
 * same one, and its end aborts the backup. It holds an advisory lock for as long as it lives, which is how
 * everybody else can tell that it does. An idle session is pinged; a busy one (start, stop) is watched from
 * the companion, since a ping would wait behind the call.
 */
import type { Connection } from '../database/connection.ts';
import type { BackupStart, BackupStop } from '../control/backup-requests.ts';
import { terminateSession } from '../database/terminate-session.ts';
import {
  sessionIsThere,
  startBackup,
  stopBackup,
  tablespaces,
  type SessionIdentity,
} from '../server/server-queries.ts';
import { parseLsn } from '../postgres/lsn.ts';
import { segmentBefore } from '../postgres/wal-segment.ts';
import type { ClusterServer, ServerSession } from '../server/cluster-server.ts';
import { backupFunctions } from '../server/backup-functions.ts';

/** Milliseconds. */
const watchEvery = 3000;
/** A server that is frozen for a snapshot is slow, not gone: this is when it has dropped us (tcp_user_timeout). */
const pingWithin = 30_000;

/** What pg_backup_start told, and when (ISO 8601). */
export interface TimedBackupStart extends BackupStart {
  startedAt: string;
}

export class BackupSession {
  readonly db: Connection;
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

  static async open(server: ClusterServer): Promise<BackupSession> {
    return new BackupSession(server, await server.takeSession());
  }

  onLost(listener: (reason: Error) => void): void {
    this.db.onLost(listener);
  }

  /** pg_backup_start: waits for the checkpoint. */
  async begin(label: string, fast: boolean): Promise<BackupStart> {
    const started = await startBackup(this.db, backupFunctions(this.db.serverVersion).start, label, fast);
    return {
      ...started,
      timeline: Number.parseInt(started.startWal.slice(0, 8), 16),
      tablespaces: await tablespaces(this.db),
    };
  }

  /** pg_backup_stop, without waiting for the archiver: a stuck one must not keep the label from us. */
  async stop(): Promise<BackupStop> {
    const { stop } = backupFunctions(this.db.serverVersion);
    const { stopLsn, timeline, segmentSize, label, tablespaceMap: map } = await stopBackup(this.db, stop);
    return {
      stopLsn,
      stopWal: segmentBefore(parseLsn(stopLsn), Number.parseInt(timeline, 16), segmentSize),
      label,
      tablespaceMap: map === null || map.length === 0 ? null : map,
    };
  }

  /** Ends it in good order; a backup that is still open is aborted by the server. */
  async close(): Promise<void> {
    clearInterval(this.#watch);
    if (this.db.isBusy) await this.#terminateSession();
    else await this.db.close();
  }

  /** Ends it now, whatever it is doing: the server would notice a vanished client only after its checkpoint. */
  async #terminateSession(): Promise<void> {
    try {
      const { db } = await this.#server.companion();
      await terminateSession(db, this.identity.pid, this.lockKey);
    } catch {
      // The server is out of reach: it ends the session when it notices that we are gone.
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
      // A failed ping has cut the connection; a companion that cannot look says nothing about the session.
    } finally {
      this.#looking = false;
    }
  }

  async #isThere(): Promise<boolean> {
    const { db } = await this.#server.companion();
    return sessionIsThere(db, this.identity.pid, this.lockKey, this.identity.login);
  }
}
