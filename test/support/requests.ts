// Requests for the tests: made by any client, brought to any state by a played worker.
import { backupStates, type BackupState } from '../../src/control/backup-states.ts';
import type { PlayedWorker } from './played-worker.ts';
import type { SqlClient } from './sql-client.ts';

export { backupStates, type BackupState };

/** Inserts a request and returns its id. */
export async function request(client: SqlClient, columns: Record<string, unknown> = {}): Promise<string> {
  const names = Object.keys(columns);
  const values = names.map((_, index) => `$${index + 1}`);
  const row = names.length === 0 ? 'default values' : `(${names.join(', ')}) values (${values.join(', ')})`;
  return client.value(`insert into holdfast.backup_request ${row} returning id`, Object.values(columns));
}

export function finish(client: SqlClient, id: string): Promise<unknown> {
  return client.query(`update holdfast.backup_request set state = 'done' where id = $1`, [id]);
}

export function cancel(client: SqlClient, id: string): Promise<unknown> {
  return client.query(`update holdfast.backup_request set state = 'cancelled' where id = $1`, [id]);
}

export function stateOf(client: SqlClient, id: string): Promise<BackupState> {
  return client.value('select state from holdfast.backup_request where id = $1', [id]);
}

/** A request of this client's that has come as far as `state`, the usual way. */
export async function requestIn(
  state: BackupState,
  client: SqlClient,
  worker: PlayedWorker,
  columns: Record<string, unknown> = {},
): Promise<string> {
  const id = await request(client, columns);
  if (state === 'cancelled') await cancel(client, id);
  else if (state === 'failed') await worker.move(id, 'failed');
  else if (state !== 'requested') await advance(id, state, client, worker);
  return id;
}

async function advance(id: string, to: BackupState, client: SqlClient, worker: PlayedWorker): Promise<void> {
  await worker.claim(id);
  for (const state of backupStates.slice(backupStates.indexOf('running'), backupStates.indexOf(to) + 1)) {
    if (state === 'done') await finish(client, id);
    else await worker.move(id, state);
  }
}
