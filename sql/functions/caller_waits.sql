create or replace function :"schema".caller_waits(key bigint, by_pid integer, its_login text) returns boolean
language plpgsql volatile
set search_path = :"schema", pg_temp
as $$
declare
  holder oid := lock_holder(this_database(), key, by_pid);
begin
  -- The lock is released between two polls, and everybody can read its key in pg_locks and take it then. Nobody can take
  -- away that the caller is reading the requests.
  if holder is null and exists (
    select from pg_locks
    where locktype = 'advisory' and objsubid = 1 and database = this_database() and pid <> by_pid
      and classid = ((key >> 32) & 4294967295)::oid and objid = (key & 4294967295)::oid)
  then
    select a.usesysid into holder
    from pg_locks l, pg_stat_get_activity(by_pid) a
    where l.locktype = 'relation' and l.granted and l.database = this_database() and l.pid = by_pid
      and l.relation = 'backup_request'::regclass;
  end if;
  return coalesce(pg_has_role(holder, (select oid from pg_roles where rolname = its_login), 'member'), false);
end
$$;
comment on function :"schema".caller_waits(bigint, integer, text) is
  'Whether the backend with that pid holds the lock of a caller of start_backup, or polls while somebody else has taken that lock, and is the login that called.';
revoke all on function :"schema".caller_waits(bigint, integer, text) from public;
grant execute on function :"schema".caller_waits(bigint, integer, text) to :"reader";
