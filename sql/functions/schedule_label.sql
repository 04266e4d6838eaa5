create or replace function :"schema".schedule_label(of_schedule :"schema".backup_schedule, due timestamptz) returns text
language plpgsql
set search_path = :"schema", pg_temp
as $$
begin
  return coalesce(of_schedule.label_prefix, of_schedule.name) || ' '
    || to_char(due at time zone 'UTC', 'YYYYMMDD"T"HH24MISS"Z"');
end
$$;
comment on function :"schema".schedule_label(:"schema".backup_schedule, timestamptz) is
  'The label of what a schedule requests: its prefix and the due time. choose_label adds something random where that label is not to be had.';
revoke all on function :"schema".schedule_label(:"schema".backup_schedule, timestamptz) from public;
