create or replace function :"schema".requester_holds(key bigint) returns boolean
language plpgsql volatile
set search_path = :"schema", pg_temp
as $$
begin
  return exists (
    select from pg_locks
    where locktype = 'advisory'
      and granted
      and objsubid = 1
      and database = this_database()
      and classid = ((key >> 32) & 4294967295)::oid
      and objid = (key & 4294967295)::oid
      and pg_has_role(lock_holder(database, key, pid), current_schema() || '_requester', 'member'));
end
$$;
comment on function :"schema".requester_holds(bigint) is
  'Whether a session whose login may request backups holds that advisory lock: of anybody else it means nothing.';
revoke all on function :"schema".requester_holds(bigint) from public;
grant execute on function :"schema".requester_holds(bigint) to :"requester";
