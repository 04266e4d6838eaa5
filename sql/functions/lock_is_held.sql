create or replace function :"schema".lock_is_held(in_database oid, key bigint, by_pid integer) returns boolean
language plpgsql volatile
set search_path = :"schema", pg_temp
as $$
begin
  return exists (
    select from pg_locks
    where locktype = 'advisory'
      and granted
      and objsubid = 1
      and database = in_database
      and classid = ((key >> 32) & 4294967295)::oid
      and objid = (key & 4294967295)::oid
      and pid = by_pid);
end
$$;
comment on function :"schema".lock_is_held(oid, bigint, integer) is
  'Whether that backend of this server holds that advisory lock. Everybody may read pg_locks.';
revoke all on function :"schema".lock_is_held(oid, bigint, integer) from public;
grant execute on function :"schema".lock_is_held(oid, bigint, integer) to :"reader";
