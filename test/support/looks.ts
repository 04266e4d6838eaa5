// Waits for what a worker does by itself, so that a test can say that it has done nothing else.
import { eventually } from '../../dev/harness/eventually.ts';
import type { SqlClient } from '../../dev/harness/sql-client.ts';

/**
 * Resolves once the workers of a database have looked at its requests so many more times. `admin`: in no transaction.
 * `database`: default: the one that `admin` is connected to.
 */
export async function untilLooked(admin: SqlClient, times = 2, database?: string): Promise<void> {
  const seen = new Set<string>();
  const look = async () => {
    const rows = await admin.query<{ at: string }>(
      `select pid || ' ' || query_start as at from pg_stat_activity
       where datname = coalesce($1, current_database()) and application_name = 'holdfast worker' and query like '%"callerGone"%'`,
      [database ?? null],
    );
    for (const { at } of rows) seen.add(at);
    return seen.size;
  };
  const before = await look();
  await eventually(`the worker has looked ${times} times`, async () => (await look()) >= before + times, {
    within: 10_000 + times * 4000,
  });
}
