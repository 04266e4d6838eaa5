create or replace function :"schema".control_origin() returns text
language plpgsql volatile
set search_path = :"schema", pg_temp
as $$
begin
  return (
    select system_identifier || '/' || (select oid from pg_database where datname = current_database()) || '/'
      || 'confirmed_origin'::regclass::oid || '/'
      || case when pg_is_in_recovery() then 'in recovery'
        else ltrim(substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), '0') end
    from pg_control_system());
end
$$;
comment on function :"schema".control_origin() is
  'This server''s system identifier, the OIDs of this database and of the table confirmed_origin, and the timeline (in hexadecimal, as in WAL file names). A database that is made of another one as its template gets another OID, what is restored from a dump another table, also in the same database; a restored server gets another timeline.';
revoke all on function :"schema".control_origin() from public;
grant execute on function :"schema".control_origin() to :"reader";
