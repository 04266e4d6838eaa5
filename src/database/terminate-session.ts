import type { Connection } from './connection.ts';

/** Milliseconds. */
const within = 5000;

/** Terminates the backend `pid` if the backend holds the lock. */
export async function terminateSession(db: Connection, pid: number, lockKey: string): Promise<void> {
  await db.run('target', 'terminate', { pid, key: lockKey }, { timeout: within });
}
