select replace($sql$
create or replace procedure @schema@.await_backup(
  of_request bigint, wanted text, patience interval, inout outcome text default null, caller_key bigint default null)
language plpgsql
as $procedure$
declare
  began timestamptz := clock_timestamp();
  deadline timestamptz := clock_timestamp() + patience;
  poll double precision := 0.005;
  alone_since timestamptz;
  warned_at timestamptz := clock_timestamp();
  states constant text[] := array['requested', 'starting', 'running', 'done', 'archiving', 'complete'];
  request record;
begin
  outcome := null;
  loop
    begin
      if caller_key is not null then
        perform pg_catalog.pg_try_advisory_xact_lock(caller_key);   -- it says that somebody waits
      end if;
      select r.state,
        coalesce(@schema@.session_state(r.id) in ('gone', 'orphaned'), false)
          or r.state = 'archiving' and not @schema@.worker_is_alive(s.instance) as left_alone
      into request
      from @schema@.backup_request r left join @schema@.backup_session s on s.request_id = r.id
      where r.id = of_request;
      if not found then
        outcome := 'missing';
      elsif request.state in ('failed', 'cancelled') then
        outcome := request.state;
      elsif pg_catalog.array_position(states, request.state) >= pg_catalog.array_position(states, wanted) then
        outcome := 'reached';
      elsif clock_timestamp() >= deadline then
        outcome := 'timed out';
      else
        alone_since := case when request.left_alone then coalesce(alone_since, clock_timestamp()) end;
        if alone_since < clock_timestamp() - interval '30 s' then
          outcome := 'abandoned';
        elsif request.state = 'archiving' and warned_at < clock_timestamp() - interval '60 s' then
          raise warning 'still waiting for the WAL of backup request % to be archived', of_request
            using hint = 'Run "holdfast check", or see "waiting_for" in backup_status, and what the log of the server says about archive_command. The backup_label can be read already.';
          warned_at := clock_timestamp();
        end if;
        perform pg_catalog.pg_sleep(greatest(0, least(poll, extract(epoch from deadline - clock_timestamp()))));
      end if;
    exception when query_canceled then
      outcome := 'interrupted';
    end;
    commit;
    set transaction isolation level read committed;   -- before anything that needs a snapshot
    exit when outcome is not null;
    -- the wait grows with what has passed: a twentieth more is not noticed
    poll := least(greatest(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() operator(pg_catalog.-) began)
      operator(pg_catalog./) 20::double precision, 0.005::double precision), 0.1::double precision);
  end loop;
end
$procedure$
$sql$, '@schema@', quote_ident(:'schema'))
\gexec
comment on procedure :"schema".await_backup(bigint, text, interval, text, bigint) is
  'Polls (5 ms growing to 100) until a request has reached a state, in transactions of one poll each, which hold the advisory lock caller_key. outcome: reached, failed, cancelled, timed out, interrupted (cancelled by the user or by statement_timeout), abandoned (no worker for 30 s), missing.';
revoke all on procedure :"schema".await_backup(bigint, text, interval, text, bigint) from public;
grant execute on procedure :"schema".await_backup(bigint, text, interval, text, bigint) to :"reader";
