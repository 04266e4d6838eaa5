// The columns of backup_request by who writes them, a value for each, and which of them a client gets through with.
import type { SqlClient } from './sql-client.ts';

export const insertable = {
  cluster: `'main'`,
  label: `'nightly'`,
  method: `'hold'`,
  command: 'null',
  fast: 'true',
  wait_for_archive: 'false',
  hold_timeout: `'1 h'`,
  keep: 'true',
  annotations: `'{}'`,
  rate_limit: '1000000',
  compress_level: '3',
  incremental: 'true',
  caller_key: '42',
};

/** What only a worker writes. */
export const workers = {
  worker: `'w'`,
  pid: '1',
  backend_start: 'now()',
  started_at: 'now()',
  start_lsn: `'0/1'`,
  start_wal: `'x'`,
  timeline: '77',
  system_identifier: '1',
  server_version: `'18'`,
  done_at: 'now()',
  stopped_at: 'now()',
  stop_lsn: `'0/1'`,
  stop_wal: `'x'`,
  archived_at: 'now()',
  finished_at: 'now()',
  backup_label: `'x'`,
  tablespace_map: `'x'`,
  error_code: `'x'`,
  error: `'x'`,
  hint: `'x'`,
  warnings: `'{x}'`,
  archive_seen: 'true',
  parent: '4',
  incremental_from: `'0/1'`,
};

const servers = {
  id: '77',
  requested_by: `'somebody'`,
  requested_login: `'somebody'`,
  requested_at: `now() - interval '1 day'`,
  moved_by: `'somebody'`,
  caller_pid: '4711',
  control_origin: `'elsewhere'`,
  schedule: `'nightly'`,
  expired_at: 'now()',
  keep_changed_at: 'now()',
};

const everyColumn = { ...insertable, state: `'requested'`, ...workers, ...servers };
export type Column = keyof typeof everyColumn;
export const names = Object.keys(everyColumn) as Column[];

/** For an update the value has to be another one. */
const other: Record<string, string> = {
  cluster: `'another'`,
  label: `'another'`,
  method: `'copy'`,
  command: `'another'`,
  annotations: `'{"changed": true}'`,
  backend_start: `'2000-01-01'`,
  pid: '4711',
  worker: `'another'`,
};

/** Together with the method that it goes with. */
const ofCopy: Column[] = ['rate_limit', 'compress_level', 'incremental'];

export const insert = (column: Column) => {
  const [also, value] = ofCopy.includes(column) ? ['method, ', `'copy', `] : ['', ''];
  return `insert into holdfast.backup_request (${also}${column}) overriding system value values (${value}${everyColumn[column]})`;
};

export const update = (column: Column, id: string) =>
  `update holdfast.backup_request set ${column} = ${other[column] ?? everyColumn[column]} where id = ${id}`;

/** No privilege, refused by the guard, an identity, a CHECK. */
const refusals = ['42501', 'HF001', '428C9', '23514'];

/** The columns with which the statement succeeds; any other answer than "you may not" is an error. */
export async function whatWorks(
  client: SqlClient,
  statement: (column: Column) => string,
  except: string[] = [],
): Promise<string[]> {
  const worked: string[] = [];
  for (const column of names.filter((name) => !except.includes(name))) {
    await client.query('begin');
    try {
      await client.query(statement(column));
      worked.push(column);
    } catch (error) {
      if (!refusals.includes(String((error as { code?: string }).code))) throw error;
    }
    await client.query('rollback');
  }
  return worked.sort();
}
