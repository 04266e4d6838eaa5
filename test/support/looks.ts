// Waits for what a worker does by itself, so that a test can say that it has done nothing else.
import { eventually } from '../../dev/harness/eventually.ts';
import type { SqlClient } from '../../dev/harness/sql-client.ts';

/**
 * Milliseconds. A worker looks again two seconds after a look: what it sends so long after one, it sends after another.
 */
const alwaysLooks = 3000;

interface LastQuery {
  pid: number;
  /** Whether the query is the look itself. */
  isLook: boolean;
  /** Milliseconds by the server's clock. */
  began: number;
}

/**
 * Resolves once the workers of a database have looked at its requests so many more times. `admin`: in no transaction.
 * `database`: default: the one that `admin` is connected to.
 *
 * A look is seen while it is the last query of its session. A look that finds a request waiting wakes the dispatcher, whose
 * queries follow within milliseconds: any query counts before which there must have been a look since the last that counts.
 */
export async function untilLooked(admin: SqlClient, times = 2, database?: string): Promise<void> {
  const lastQueries = () =>
    admin.query<LastQuery>(
      `select pid, query like '%"callerGone"%' as "isLook", ${milliseconds('query_start')} as began
       from pg_stat_activity
       where datname = coalesce($1, current_database()) and application_name = 'holdfast worker'`,
      [database ?? null],
    );
  const from = await admin.value<number>(`select ${milliseconds('clock_timestamp()')}`);
  /** By process id of the session: when that began which counted last. */
  const counted = new Map<number, number>();
  let looks = 0;
  const haveLooked = async () => {
    for (const { pid, isLook, began } of await lastQueries()) {
      const last = counted.get(pid) ?? from;
      if (isLook ? began <= last : began < last + alwaysLooks) continue;
      counted.set(pid, began);
      looks += 1;
    }
    return looks >= times;
  };
  await eventually(`the worker has looked ${times} times`, haveLooked, { within: 10_000 + times * 5000 });
}

function milliseconds(moment: string): string {
  return `(extract(epoch from ${moment}) * 1000)::float8`;
}
