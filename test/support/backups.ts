// Backups as a client of a real worker sees them.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually, type Patience } from './eventually.ts';
import { finish, request, type BackupState } from './requests.ts';
import type { SqlClient } from './sql-client.ts';

/** A row of backup_request, as far as the scenarios look at it. */
export interface Backup {
  id: string;
  label: string;
  state: BackupState;
  stage: string | null;
  stage_detail: string | null;
  worker: string | null;
  pid: number | null;
  start_lsn: string | null;
  start_wal: string | null;
  backup_label: string | null;
  tablespace_map: string | null;
  archived_at: Date | null;
  parent: string | null;
  incremental_from: string | null;
  error_code: string | null;
  error: string | null;
  hint: string | null;
  warnings: string[];
}

const over: BackupState[] = ['complete', 'failed', 'cancelled'];

export async function backup(client: SqlClient, id: string): Promise<Backup> {
  const [row] = await client.query<Backup>('select * from holdfast.backup_request where id = $1', [id]);
  if (!row) throw new Error(`there is no backup request ${id}`);
  return row;
}

/** Resolves with the row in that state; rejects as soon as it is over in another one. */
export function untilState(
  client: SqlClient,
  id: string,
  state: BackupState,
  patience: Patience = {},
): Promise<Backup> {
  let row: Backup | undefined;
  const instead = () => `backup request ${id} is ${state}: it is ${row?.state}: ${JSON.stringify(row)}`;
  return eventually(
    instead,
    async () => {
      row = await backup(client, id);
      if (row.state === state) return row;
      if (over.includes(row.state)) throw new Error(`it is ${row.state}, not ${state}: ${describe(row)}`);
      return undefined;
    },
    patience,
  );
}

/** Requests a backup with an immediate checkpoint and waits until the copy may begin. */
export async function startBackup(client: SqlClient, columns: Record<string, unknown> = {}): Promise<Backup> {
  return untilState(client, await request(client, { fast: true, ...columns }), 'running');
}

export async function completeBackup(client: SqlClient, id: string): Promise<Backup> {
  await finish(client, id);
  return untilState(client, id, 'complete');
}

/** What the status view says of its session. */
export function sessionOf(client: SqlClient, id: string): Promise<string | null> {
  return client.value('select session from holdfast.backup_status where id = $1', [id]);
}

export function isConnected(client: SqlClient, pid: number | null): Promise<boolean> {
  return client.value('select exists (select from pg_stat_activity where pid = $1)', [pid]);
}

/** Ends every session of that name in this database; how many there were. */
export async function killSessions(client: SqlClient, applicationName: string): Promise<number> {
  const killed = await client.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where application_name = $1 and datname = current_database()`,
    [applicationName],
  );
  return killed.length;
}

/** The files that a worker keeps for one backup, by name. */
export async function labelFiles(
  labels: string,
  id: string,
  cluster = 'main',
): Promise<Map<string, Buffer> | undefined> {
  const names = await readdir(join(labels, cluster)).catch(() => []);
  const entry = names.find((name) => name.endsWith(`Z-${id}`) && !name.startsWith('.'));
  if (entry === undefined) return undefined;
  const directory = join(labels, cluster, entry);
  const files = await readdir(directory);
  return new Map(
    await Promise.all(files.map(async (file) => [file, await readFile(join(directory, file))] as const)),
  );
}

function describe({ error_code, error, hint, warnings }: Backup): string {
  return JSON.stringify({ error_code, error, hint, warnings });
}
