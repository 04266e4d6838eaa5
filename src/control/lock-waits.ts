/** Bounds how long a session waits for locks of other sessions, and names those that hold the locks. */
import { setInterval as ticks } from 'node:timers/promises';
import { queryCancelled, ServerError, type Connection } from '../database/connection.ts';

/** A session that holds a lock. */
export interface LockHolder {
  pid: number;
  role: string;
  program: string;
}

/** The sessions in words. */
export function namesOfHolders(holders: readonly LockHolder[]): string {
  return holders.map(({ pid, role, program }) => `backend ${pid} of role "${role}" (${program})`).join(', ');
}

/** A statement has waited too long for a lock. */
export class HeldUp extends Error {
  readonly holders: readonly LockHolder[];

  constructor(holders: readonly LockHolder[], cause: unknown) {
    super(
      `${namesOfHolders(holders)} has locked what is needed; end that transaction with pg_terminate_backend`,
      { cause },
    );
    this.holders = holders;
  }
}

const timedOut = ['55P03', queryCancelled];

/**
 * Runs `work`, in which each statement of `db` may take `limit` milliseconds. The limit is statement_timeout, since
 * pg-boss sets a lock_timeout of its own in each of its transactions.
 * @throws HeldUp
 */
export async function withLimitedWaits<T>(db: Connection, limit: number, work: () => Promise<T>): Promise<T> {
  const [self] = await db.run<{ pid: number }>('worker', 'backend');
  await db.query(`set statement_timeout = ${limit}`);
  const ending = new AbortController();
  const seen = lastHolders(db, self?.pid ?? 0, limit, ending.signal);
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ServerError) || !timedOut.includes(error.code ?? '')) throw error;
    ending.abort();
    const holders = await seen;
    throw holders.length > 0 ? new HeldUp(holders, error) : error;
  } finally {
    ending.abort();
    // A watcher on a network that is down would hold up whoever knows already that the connection is lost.
    if (!db.isLost) {
      await seen;
      await db.query('reset statement_timeout');
    }
  }
}

/** Looks four times within `limit` milliseconds which sessions a backend waits for, and returns the last ones. */
async function lastHolders(
  db: Connection,
  pid: number,
  limit: number,
  signal: AbortSignal,
): Promise<LockHolder[]> {
  let holders: LockHolder[] = [];
  let watcher: Connection | undefined;
  try {
    for await (const _ of ticks(limit / 4, undefined, { signal })) {
      watcher ??= await db.another();
      watcher.limitStatements(limit);
      const now = await watcher.run<LockHolder & Record<string, unknown>>('installation', 'blockers', {
        pid,
      });
      if (now.length > 0) holders = now;
    }
  } catch {
    // aborted; or no second connection is free, and nobody is named
  }
  await watcher?.close();
  return holders;
}
