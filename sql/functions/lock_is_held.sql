create or replace function :"schema".lock_is_held(in_database oid, key bigint, by_pid integer) returns boolean
language plpgsql volatile
set search_path = :"schema", pg_temp
as $$
begin
  return lock_holder(in_database, key, by_pid) is not null;
end
$$;
comment on function :"schema".lock_is_held(oid, bigint, integer) is
  'Whether that backend of this server holds that advisory lock, whoever it is.';
revoke all on function :"schema".lock_is_held(oid, bigint, integer) from public;
grant execute on function :"schema".lock_is_held(oid, bigint, integer) to :"reader";
