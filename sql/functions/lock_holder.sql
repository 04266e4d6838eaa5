create or replace function :"schema".lock_holder(in_database oid, key bigint, by_pid integer) returns oid
language plpgsql volatile
set search_path = :"schema", pg_temp
as $$
begin
  perform from pg_locks
  where locktype = 'advisory'
    and granted
    and objsubid = 1
    and database = in_database
    and classid = ((key >> 32) & 4294967295)::oid
    and objid = (key & 4294967295)::oid
    and pid = by_pid;
  if not found then
    return null;
  end if;
  -- A transaction keeps what it has seen of the backends: a pid may be another's by now.
  perform pg_stat_clear_snapshot();
  return (select usesysid from pg_stat_get_activity(by_pid));
end
$$;
comment on function :"schema".lock_holder(oid, bigint, integer) is
  'The login of the backend with that pid, if it holds that advisory lock. Everybody may see that, and read keys and pids of what has ended: so a lock counts only if that login may hold it.';
revoke all on function :"schema".lock_holder(oid, bigint, integer) from public;
grant execute on function :"schema".lock_holder(oid, bigint, integer) to :"reader";
