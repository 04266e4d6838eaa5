import type { Connection } from './connection.ts';

/** Milliseconds. */
const within = 5000;

/** Ends that backend, if it holds that lock. */
export async function terminateSession(db: Connection, pid: number, lockKey: string): Promise<void> {
  await db.run('target', 'terminate', { pid, key: lockKey }, { timeout: within });
}
