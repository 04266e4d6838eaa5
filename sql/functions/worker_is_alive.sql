create or replace function :"schema".worker_is_alive(of_instance uuid) returns boolean
language plpgsql volatile
set search_path = :"schema", pg_temp
as $$
begin
  return exists (
    select from worker
    where instance = of_instance
      and worker_lock_is_held(lock_key, pid));
end
$$;
comment on function :"schema".worker_is_alive(uuid) is
  'Whether that run of a worker has its session on this database: its lock says so, not a clock.';
revoke all on function :"schema".worker_is_alive(uuid) from public;
grant execute on function :"schema".worker_is_alive(uuid) to :"reader";
