create or replace function :"schema".schedule_label(of_schedule :"schema".backup_schedule, due timestamptz) returns text
language plpgsql
set search_path = :"schema", pg_temp
as $$
declare
  usual constant text :=
    coalesce(of_schedule.label_prefix, of_schedule.name) || ' ' || to_char(due at time zone 'UTC', 'YYYYMMDD"T"HH24MISS"Z"');
begin
  if pg_try_advisory_xact_lock(label_key(of_schedule.cluster, usual)) and not exists (
    select from backup_request
    where cluster = of_schedule.cluster and label = usual and state in ('requested', 'starting', 'running', 'done'))
  then
    return usual;
  end if;
  -- Somebody had it before the schedule was there, or locks its key: nobody holds up a schedule.
  return usual || ' ' || substr(md5(random()::text), 1, 8);
end
$$;
comment on function :"schema".schedule_label(:"schema".backup_schedule, timestamptz) is
  'The label of what a schedule requests: its prefix and the due time, and something random where that label is not to be had.';
revoke all on function :"schema".schedule_label(:"schema".backup_schedule, timestamptz) from public;
