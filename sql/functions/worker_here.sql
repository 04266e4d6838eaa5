create or replace function :"schema".worker_here() returns :"schema".worker
language plpgsql volatile
set search_path = :"schema", pg_temp
as $$
begin
  return (
    select worker from worker
    where pid = pg_backend_pid()
      and worker_lock_is_held(lock_key, pid));
end
$$;
comment on function :"schema".worker_here() is
  'The worker whose lock the current session holds, or null: how the guard tells a worker from everybody else, superusers included.';
revoke all on function :"schema".worker_here() from public;
grant execute on function :"schema".worker_here() to :"reader";
