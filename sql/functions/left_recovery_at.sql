create or replace function :"schema".left_recovery_at() returns timestamptz
language plpgsql volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  history text;
  found_at timestamptz;
begin
  if pg_is_in_recovery() then
    return null;
  end if;
  history := substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) || '.history';
  if history = '00000001.history' then
    return null;
  elsif has_function_privilege('pg_catalog.pg_stat_file(text, boolean)', 'execute') then
    found_at := (select modification from pg_stat_file('pg_wal/' || history, true));
  elsif has_function_privilege('pg_catalog.pg_ls_waldir()', 'execute') then
    found_at := (select modification from pg_ls_waldir() where name = history);
  end if;
  return date_trunc('second', found_at);
end
$$;
comment on function :"schema".left_recovery_at() is
  'When this server left recovery, by the time of its timeline''s history file; null on timeline 1, in recovery, and where the schema''s owner may not look. Runs with its owner''s rights, so that all see the same.';
revoke all on function :"schema".left_recovery_at() from public;
grant execute on function :"schema".left_recovery_at() to :"reader";
