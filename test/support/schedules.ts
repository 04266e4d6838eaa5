// Schedules for the tests, and what became of their due times.
import { eventually, type Patience } from './eventually.ts';
import type { SqlClient } from './sql-client.ts';

export interface Schedule {
  name: string;
  owner: string;
  enabled: boolean;
  next_run: Date | null;
  last_run: Date | null;
  last_success: Date | null;
  paused_because: string | null;
  problem: string | null;
}

export interface Run {
  due_at: Date;
  missed_since: Date | null;
  state: string;
  start_at: Date;
  attempts: number;
  request_id: string | null;
  error_code: string | null;
  error: string | null;
}

/** Its requests are held: no repository is needed, and they last until the test ends them. */
export async function insertSchedule(
  client: SqlClient,
  cron: string,
  columns: Record<string, unknown> = {},
): Promise<string> {
  const row = { name: 'nightly', cron, method: 'hold', fast: true, ...columns };
  const names = Object.keys(row);
  await client.query(
    `insert into holdfast.backup_schedule (${names.join(', ')}) values (${names.map((_, at) => `$${at + 1}`).join(', ')})`,
    Object.values(row),
  );
  return row.name;
}

export async function scheduleOf(client: SqlClient, name = 'nightly'): Promise<Schedule> {
  const [row] = await client.query<Schedule>('select * from holdfast.backup_schedule where name = $1', [
    name,
  ]);
  if (!row) throw new Error(`there is no schedule ${name}`);
  return row;
}

/** Oldest first. */
export function runsOf(client: SqlClient, name = 'nightly'): Promise<Run[]> {
  return client.query<Run>('select * from holdfast.backup_schedule_run where schedule = $1 order by due_at', [
    name,
  ]);
}

/** Resolves with the first of its runs that is in that state. */
export function untilRun(
  client: SqlClient,
  state: string,
  { name = 'nightly', ...patience }: Patience & { name?: string } = {},
): Promise<Run> {
  return eventually(
    `a run of ${name} is ${state}`,
    async () => (await runsOf(client, name)).find((run) => run.state === state),
    patience,
  );
}

/** Makes it as if that had been due, and nobody had been there. */
export async function wasDue(admin: SqlClient, at: string, name = 'nightly'): Promise<Date> {
  return admin.value<Date>(
    `update holdfast.backup_schedule set planned_after = ${at} - interval '1 s', next_run = ${at}
     where name = $1 returning next_run`,
    [name],
  );
}
