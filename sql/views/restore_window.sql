create or replace view :"schema".restore_window as
with recursive chain as (
  -- Each run of WAL, and what it continues on the timelines before it, up to where those were left.
  select cluster, timeline, start_wal, timeline as on_timeline, start_wal as on_wal, null::pg_lsn as until
  from :"schema".archived_wal
  union all
  select c.cluster, c.timeline, c.start_wal, w.follows_timeline, w.follows_wal, w.switch_lsn
  from chain c
  join :"schema".archived_wal w on w.cluster = c.cluster and w.timeline = c.on_timeline and w.start_wal = c.on_wal
  where w.follows_wal is not null
), backup as (
  select w.cluster, w.timeline, w.start_wal, w.restorable_from as at, w.restorable_from_lsn as lsn, true as is_ours
  from :"schema".archived_wal w
  where w.restorable_from is not null
  union all
  -- Copies that somebody else made, or a command: their WAL is here all the same.
  select w.cluster, w.timeline, w.start_wal, r.stopped_at, r.stop_lsn, false
  from :"schema".archived_wal w
  join :"schema".backup_request r on r.cluster = w.cluster and r.timeline = w.timeline and r.state = 'complete'
    and r.method <> 'copy' and r.start_lsn >= w.start_lsn and r.stop_lsn <= w.end_lsn
), run as (
  select w.*, earliest.at, earliest.lsn, earliest.copy_at,
    -- Up to where it has gone by the retention policy, nothing that stays needs WAL.
    exists (
      select from :"schema".wal_expiry e
      where e.cluster = w.cluster and e.timeline = w.timeline and w.missing_to between e.start_wal and e.end_wal
    ) as has_expired
  from :"schema".archived_wal w
  left join lateral (
    select (array_agg(b.at order by b.lsn))[1] as at, (array_agg(b.lsn order by b.lsn))[1] as lsn,
      (array_agg(b.at order by b.lsn) filter (where b.is_ours))[1] as copy_at
    from chain c
    join backup b on b.cluster = c.cluster and b.timeline = c.on_timeline and b.start_wal = c.on_wal
    where c.cluster = w.cluster and c.timeline = w.timeline and c.start_wal = w.start_wal
      and (c.until is null or b.lsn <= c.until)) earliest on true
), rolling as (
  -- From before WAL that has expired, a backup leads to its own end only.
  select run.*, coalesce(bool_or(has_expired) over (partition by cluster, timeline order by start_wal
      rows between 1 following and unbounded following), false) as is_cut_off
  from run
)
select cluster,
  timeline,
  (array_agg(at order by lsn) filter (where at is not null and not is_cut_off))[1] as earliest_time,
  (array_agg(lsn order by lsn) filter (where at is not null and not is_cut_off))[1] as earliest_lsn,
  (array_agg(last_archived_at order by end_lsn desc) filter (where at is not null))[1] as latest_time,
  (array_agg(end_lsn order by end_lsn desc) filter (where at is not null))[1] as latest_lsn,
  (array_agg(at is not null order by end_lsn desc))[1] as up_to_date,
  array_agg(case when missing_from = missing_to then missing_from else missing_from || ' to ' || missing_to end
    order by start_wal) filter (where missing_from is not null and not has_expired) as holes,
  array_agg(broken order by start_wal) filter (where broken is not null) as breaks,
  min(first_archived_at) as written_since,
  max(last_archived_at) as written_until,
  (array_agg(copy_at order by lsn) filter (where copy_at is not null and not is_cut_off))[1] as earliest_copy_time
from rolling
group by cluster, timeline;
comment on view :"schema".restore_window is
  'What can be restored from backups and the WAL in the repository: one row per cluster and timeline.';
comment on column :"schema".restore_window.cluster is 'The cluster.';
comment on column :"schema".restore_window.timeline is 'The timeline that a restore would follow.';
comment on column :"schema".restore_window.earliest_time is
  'The end of the oldest backup that can be rolled forward on this timeline; null: there is none.';
comment on column :"schema".restore_window.earliest_lsn is 'The LSN of that end.';
comment on column :"schema".restore_window.latest_time is
  'When the last segment that can be reached was archived: what was committed before it was written is in it.';
comment on column :"schema".restore_window.latest_lsn is 'Where the WAL that can be reached ends.';
comment on column :"schema".restore_window.up_to_date is
  'Whether that is where the timeline''s WAL ends; false: it goes on after a hole, with no backup to begin from.';
comment on column :"schema".restore_window.holes is
  'The segments that are missing in between, in order, but for those that expired: no restore gets across one; null: there are none.';
comment on column :"schema".restore_window.breaks is
  'Where a segment does not lead to the next one, as those of two servers do not: no restore gets across one; null: nowhere.';
comment on column :"schema".restore_window.written_since is
  'When the first segment of this timeline that is in the archive was archived.';
comment on column :"schema".restore_window.written_until is 'When the last one was, whether it can be reached or not.';
comment on column :"schema".restore_window.earliest_copy_time is
  'The end of the oldest of these backups that Holdfast copied, which "holdfast restore" restores; null: there is none, and those that others copied are restored by hand.';
grant select on :"schema".restore_window to :"reader";
