-- name: forget
delete from :"schema".archived_wal w
where w.cluster = :cluster
  and not exists (
    select from jsonb_to_recordset(:runs::jsonb) as run (timeline integer, start_wal text)
    where run.timeline = w.timeline and run.start_wal = w.start_wal)

-- name: record
insert into :"schema".archived_wal as w (cluster, timeline, start_wal, end_wal, start_lsn, end_lsn, last_archived_at,
  missing_from, missing_to, follows_timeline, follows_wal, switch_lsn, restorable_from, restorable_from_lsn,
  first_archived_at, broken)
select :cluster, run.*
from jsonb_to_recordset(:runs::jsonb) as run (timeline integer, start_wal text, end_wal text, start_lsn pg_lsn,
  end_lsn pg_lsn, last_archived_at timestamptz, missing_from text, missing_to text, follows_timeline integer,
  follows_wal text, switch_lsn pg_lsn, restorable_from timestamptz, restorable_from_lsn pg_lsn,
  first_archived_at timestamptz, broken text)
on conflict (cluster, timeline, start_wal) do update
set end_wal = excluded.end_wal, start_lsn = excluded.start_lsn, end_lsn = excluded.end_lsn,
  last_archived_at = excluded.last_archived_at, missing_from = excluded.missing_from,
  missing_to = excluded.missing_to, follows_timeline = excluded.follows_timeline,
  follows_wal = excluded.follows_wal, switch_lsn = excluded.switch_lsn,
  restorable_from = excluded.restorable_from, restorable_from_lsn = excluded.restorable_from_lsn,
  first_archived_at = excluded.first_archived_at, broken = excluded.broken,
  seen_at = clock_timestamp()
where (w.end_wal, w.start_lsn, w.end_lsn, w.last_archived_at, w.missing_from, w.missing_to, w.follows_timeline,
    w.follows_wal, w.switch_lsn, w.restorable_from, w.restorable_from_lsn, w.first_archived_at, w.broken)
  is distinct from (excluded.end_wal, excluded.start_lsn, excluded.end_lsn, excluded.last_archived_at,
    excluded.missing_from, excluded.missing_to, excluded.follows_timeline, excluded.follows_wal,
    excluded.switch_lsn, excluded.restorable_from, excluded.restorable_from_lsn,
    excluded.first_archived_at, excluded.broken)
