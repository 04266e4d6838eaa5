select replace($sql$
create or replace procedure @schema@.wait_for_backup(
  inout id bigint, inout state text default 'complete', timeout interval default null)
language plpgsql
as $procedure$
#variable_conflict use_column
declare
  outcome text;
  wanted text := wait_for_backup.state;
begin
  call @schema@.require_autocommit('wait_for_backup');
  commit;
  set transaction isolation level read committed;
  if wanted is null or wanted not in ('requested', 'starting', 'running', 'done', 'archiving', 'complete') then
    raise exception 'cannot wait for state "%"', wanted
      using errcode = 'invalid_parameter_value',
        hint = 'Wait for starting, running, done, archiving or complete.';
  end if;
  call @schema@.await_backup(wait_for_backup.id, wanted, wait_for_backup.timeout, outcome);
  if outcome <> 'reached' then
    perform @schema@.raise_outcome(wait_for_backup.id, outcome, wanted);
  end if;
  select r.state into wait_for_backup.state from @schema@.backup_request r where r.id = wait_for_backup.id;
end
$procedure$
$sql$, '@schema@', quote_ident(:'schema'))
\gexec
comment on procedure :"schema".wait_for_backup(bigint, text, interval) is
  'Returns once a request has reached a state or passed it; raises when it has failed or was cancelled. Needs autocommit.';
revoke all on procedure :"schema".wait_for_backup(bigint, text, interval) from public;
grant execute on procedure :"schema".wait_for_backup(bigint, text, interval) to :"reader";
