/** A million finished requests: does what is done every day get slower? */
import type { Setting } from './setting.ts';
import { timed } from './latency.ts';

export async function addFinishedRequests(setting: Setting, requests: number): Promise<void> {
  const db = await setting.connect();
  await db.query(`
    begin;
    set local session_replication_role = replica;
    insert into holdfast.backup_request (label, requested_by, requested_login, requested_at, moved_by, control_origin,
      state, worker, pid, backend_start, started_at, start_lsn, start_wal, timeline, system_identifier,
      server_version, done_at, stopped_at, stop_lsn, stop_wal, archived_at, finished_at, backup_label)
    select 'old ' || n, 'postgres', 'postgres', at, 'postgres', 'x/1', 'complete', 'w', 1, at, at, '0/1', repeat('0', 24),
      1, 1, '18', at, at, '0/2', repeat('0', 24), at, at, repeat('a line of a label' || chr(10), 10)
    from generate_series(1, ${requests}) n, lateral (select now() - n * interval '1 minute' as at) t;
    commit`);
  await db.query('vacuum analyze holdfast.backup_request');
  await db.query('checkpoint');
  await db.close();
}

/** Milliseconds that the status view takes, and the worker's look for requests to claim. */
export async function dailyQueries(
  setting: Setting,
  rounds: number,
): Promise<{ status: number[]; claim: number[] }> {
  const db = await setting.connect();
  const status: number[] = [];
  const claim: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    status.push(await timed(() => db.query('select * from holdfast.backup_status')));
    claim.push(await timed(() => db.run('backup_request', 'waiting', { clusters: ['main'], not_these: [] })));
  }
  await db.close();
  return { status, claim };
}
