create or replace function :"schema".guard_retention_policy() returns trigger
language plpgsql
set search_path = :"schema", pg_temp
as $$
begin
  if not exists (select from cluster where name = new.cluster) then
    raise exception 'cluster "%" does not exist', new.cluster
      using errcode = 'foreign_key_violation',
        hint = 'Give one of these clusters: ' || (select string_agg(name, ', ' order by name) from cluster) || '.';
  end if;
  if num_nonnulls(new.keep_last, new.keep_within, new.keep_daily, new.keep_weekly, new.keep_monthly,
    new.recovery_window) = 0
  then
    raise exception 'the retention policy of cluster "%" keeps nothing', new.cluster
      using errcode = 'check_violation',
        hint = 'Give at least one of keep_last, keep_within, keep_daily, keep_weekly, keep_monthly and recovery_window; without a policy nothing expires.';
  end if;
  -- Weekdays and midnights are computed by the worker: only zones that have a name everywhere will do.
  if not exists (
    select from pg_timezone_names
    where name = new.time_zone and name ~ '^(UTC|GMT|[A-Z][A-Za-z_]+(/[A-Za-z0-9_+-]+)+)$'
  ) then
    raise exception 'time zone "%" is unknown', new.time_zone
      using errcode = 'invalid_parameter_value',
        hint = coalesce(
          'Did you mean "' || (
            select name from pg_timezone_names
            where lower(name) = lower(replace(new.time_zone, ' ', '_')) or lower(name) like '%/' || lower(replace(new.time_zone, ' ', '_'))
            order by name limit 1) || '"?',
          'Names are in pg_timezone_names, such as Europe/Berlin or UTC; abbreviations and offsets are none.');
  end if;
  new.changed_by := current_user;
  new.changed_login := session_user;
  new.changed_at := clock_timestamp();
  return new;
end
$$;
comment on function :"schema".guard_retention_policy() is
  'Checks a retention policy, says what is wrong with it, and notes who wrote it. Runs with the rights of whoever writes.';
revoke all on function :"schema".guard_retention_policy() from public;
