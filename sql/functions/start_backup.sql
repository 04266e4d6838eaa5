select replace($sql$
create or replace procedure @schema@.start_backup(
  label text default null, cluster text default 'main', method text default 'hold', command text default null,
  fast boolean default false, wait_for_archive boolean default true, hold_timeout interval default null,
  keep boolean default false, annotations jsonb default null, timeout interval default null,
  inout id bigint default null, inout start_lsn pg_lsn default null,
  rate_limit bigint default null, compress_level integer default null, incremental boolean default false)
language plpgsql
as $procedure$
#variable_conflict use_column
declare
  outcome text;
  waiting_key constant bigint := pg_catalog.hashtextextended(pg_catalog.random()::text, 0);
begin
  call @schema@.require_autocommit('start_backup');
  commit;
  set transaction isolation level read committed;
  insert into @schema@.backup_request
    (cluster, label, method, command, fast, wait_for_archive, hold_timeout, keep, annotations, rate_limit,
      compress_level, incremental, caller_key)
  values (start_backup.cluster, start_backup.label, start_backup.method, start_backup.command, start_backup.fast,
    start_backup.wait_for_archive, start_backup.hold_timeout, start_backup.keep, start_backup.annotations,
    start_backup.rate_limit, start_backup.compress_level, start_backup.incremental, waiting_key)
  returning backup_request.id into start_backup.id;
  commit;
  set transaction isolation level read committed;
  call @schema@.await_backup(start_backup.id, 'running', start_backup.timeout, outcome, waiting_key);

  if outcome in ('timed out', 'interrupted', 'abandoned') then
    -- Nobody would know of this session: do not leave it held.
    update @schema@.backup_request r set state = 'cancelled'
    where r.id = start_backup.id and r.state in ('requested', 'starting', 'running');
    commit;
    set transaction isolation level read committed;
  end if;
  if outcome = 'reached' then
    -- Interrupted before this is committed, nobody knows of the session: a worker will end it.
    update @schema@.backup_request r set caller_key = null
    where r.id = start_backup.id and r.state not in ('complete', 'failed', 'cancelled');
    if not found then
      select r.state into outcome from @schema@.backup_request r
      where r.id = start_backup.id and r.state in ('failed', 'cancelled');
    end if;
  end if;
  if outcome <> 'reached' then
    perform @schema@.raise_outcome(start_backup.id, outcome, 'running');
  end if;
  select r.start_lsn into start_backup.start_lsn from @schema@.backup_request r where r.id = start_backup.id;
end
$procedure$
$sql$, '@schema@', quote_ident(:'schema'))
\gexec
comment on procedure :"schema".start_backup(text, text, text, text, boolean, boolean, interval, boolean, jsonb, interval, bigint, pg_lsn, bigint, integer, boolean) is
  'Requests a backup and returns its id and start_lsn once it is safe to copy. Interrupted or timed out, it cancels its request. Needs autocommit.';
revoke all on procedure :"schema".start_backup(text, text, text, text, boolean, boolean, interval, boolean, jsonb, interval, bigint, pg_lsn, bigint, integer, boolean) from public;
grant execute on procedure :"schema".start_backup(text, text, text, text, boolean, boolean, interval, boolean, jsonb, interval, bigint, pg_lsn, bigint, integer, boolean) to :"requester";
