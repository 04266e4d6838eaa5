create or replace function :"schema".full_copy_is_due(of_schedule :"schema".backup_schedule, due timestamptz) returns boolean
language sql stable
set search_path = :"schema", pg_temp
as $$
  -- From due time to due time, as people count days: whatever delays a run or moves the clocks moves no full copy.
  select not exists (
    select from backup_request r
    left join backup_schedule_run run on run.request_id = r.id
    where r.cluster = of_schedule.cluster and r.method = 'copy' and r.state = 'complete' and r.parent is null
      and r.expired_at is null
      and not exists (select from backup_expiry e where e.request_id = r.id)
      and not exists (select from missing_backup m where m.request_id = r.id)
      and coalesce(run.due_at, r.requested_at) at time zone of_schedule.time_zone + of_schedule.full_every
        > due at time zone of_schedule.time_zone)
$$;
comment on function :"schema".full_copy_is_due(:"schema".backup_schedule, timestamptz) is
  'Whether a run of a schedule with incremental asks for a full copy: the newest full copy of the cluster that is complete and has not expired is as old as full_every says, or there is none.';
revoke all on function :"schema".full_copy_is_due(:"schema".backup_schedule, timestamptz) from public;
grant execute on function :"schema".full_copy_is_due(:"schema".backup_schedule, timestamptz) to :"reader";
