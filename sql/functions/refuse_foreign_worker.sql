create or replace function :"schema".refuse_foreign_worker(of_request bigint, by_instance uuid) returns void
language plpgsql
set search_path = :"schema", pg_temp
as $$
declare
  holder uuid := (select instance from backup_session where request_id = of_request);
begin
  if holder <> by_instance and worker_is_alive(holder) then
    raise exception 'backup request % is held by another worker, which is alive', of_request
      using errcode = 'insufficient_privilege';
  end if;
end
$$;
comment on function :"schema".refuse_foreign_worker(bigint, uuid) is
  'Refuses a worker that would move a request which another living worker holds.';
revoke all on function :"schema".refuse_foreign_worker(bigint, uuid) from public;
grant execute on function :"schema".refuse_foreign_worker(bigint, uuid) to :"reader";
