create or replace function :"schema".session_state(of_request bigint) returns text
language plpgsql volatile
set search_path = :"schema", pg_temp
as $$
declare
  request record;
  worker_alive boolean;
  holder oid;
  seen boolean;
begin
  select r.state, r.pid, s.instance, s.database, s.lock_key, s.login, s.proxy_key,
    (select w.pid from worker w where w.instance = s.instance) as worker_pid
  into request
  from backup_request r join backup_session s on s.request_id = r.id
  where r.id = of_request and r.state in ('starting', 'running', 'done');

  if not found then
    return null;
  elsif pg_is_in_recovery() then
    return 'unknown';
  end if;

  worker_alive := worker_is_alive(request.instance);
  if request.database is not null then
    holder := lock_holder(request.database, request.lock_key, request.pid);
    seen := holder is not null and holder = coalesce(request.login, holder);
  elsif worker_alive then
    seen := worker_lock_is_held(request.proxy_key, request.worker_pid);
  else
    seen := true;   -- on another server, and nobody here to tell: not known to be gone
  end if;

  if seen then
    return case when worker_alive then 'alive' else 'orphaned' end;
  elsif current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
    return 'unknown';   -- the row as seen may be older than the session's end
  end if;

  -- The lock is let go after the outcome is written: an outcome that is there by now explains it.
  perform from backup_request where id = of_request and state = request.state;
  return case when found then 'gone' end;
end
$$;
comment on function :"schema".session_state(bigint) is
  'Whether the backup session of a request is really there. alive: yes. orphaned: its worker is gone from here (a session on another server may live on). gone: the backup is lost. unknown: it cannot be seen from here. null: none is due.';
revoke all on function :"schema".session_state(bigint) from public;
grant execute on function :"schema".session_state(bigint) to :"reader";
