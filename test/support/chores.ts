// Chores for the tests: asked for by INSERT, as users do.
import { eventually } from './eventually.ts';
import type { SqlClient } from './sql-client.ts';

/** For testWhen(): why there are no chores here; undefined when there are. */
export const noChores =
  Number(process.env['TEST_PG_VERSION'] ?? 18) < 13 ? 'the queue of chores needs PostgreSQL 13' : undefined;

export interface ChoreRow {
  id: string;
  state: string;
  attempts: number;
  worker: string | null;
  result: Record<string, unknown> | null;
  error_code: string | null;
  error: string | null;
  next_attempt_at: Date | null;
  finished_at: Date | null;
}

/** `of`: the request that made the backup; without it the chore chooses. */
export function requestChore(
  client: SqlClient,
  kind: string,
  options: object = {},
  of: number | null = null,
): Promise<string> {
  return client.value(
    `insert into holdfast.backup_chore (kind, options, request_id) values ($1, $2, $3) returning id`,
    [kind, options, of],
  );
}

export async function chore(client: SqlClient, id: string): Promise<ChoreRow> {
  const [row] = await client.query<ChoreRow>('select * from holdfast.backup_chore where id = $1', [id]);
  if (!row) throw new Error(`there is no chore ${id}`);
  return row;
}

/** Resolves with the row in that state; rejects as soon as it is over in another one. */
export function untilChore(client: SqlClient, id: string, state: string): Promise<ChoreRow> {
  return eventually(
    `chore ${id} is ${state}`,
    async () => {
      const row = await chore(client, id);
      if (row.state === state) return row;
      if (row.finished_at !== null) throw new Error(`it is ${row.state}: ${JSON.stringify(row)}`);
      return undefined;
    },
    { within: 120_000 },
  );
}
