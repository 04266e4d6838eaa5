create or replace function :"schema".control_origin() returns text
language plpgsql volatile
set search_path = :"schema", pg_temp
as $$
begin
  return (
    select system_identifier || '/' || case when pg_is_in_recovery() then 'in recovery'
      else ltrim(substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), '0') end
    from pg_control_system());
end
$$;
comment on function :"schema".control_origin() is
  'This server''s system identifier and timeline (in hexadecimal, as in WAL file names). A restored database gets another timeline.';
revoke all on function :"schema".control_origin() from public;
grant execute on function :"schema".control_origin() to :"reader";
