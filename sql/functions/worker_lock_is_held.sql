create or replace function :"schema".worker_lock_is_held(key bigint, by_pid integer) returns boolean
language plpgsql volatile
set search_path = :"schema", pg_temp
as $$
begin
  return coalesce(
    pg_has_role(lock_holder(this_database(), key, by_pid), current_schema() || '_worker', 'member'), false);
end
$$;
comment on function :"schema".worker_lock_is_held(bigint, integer) is
  'Whether that backend holds that lock of a worker''s, and its login is a member of the workers'' role.';
revoke all on function :"schema".worker_lock_is_held(bigint, integer) from public;
grant execute on function :"schema".worker_lock_is_held(bigint, integer) to :"reader";
