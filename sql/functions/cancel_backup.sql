select replace($sql$
create or replace procedure @schema@.cancel_backup(
  inout id bigint default null, label text default null, cluster text default 'main', timeout interval default null,
  inout state text default null)
language plpgsql
as $procedure$
#variable_conflict use_column
begin
  call @schema@.require_autocommit('cancel_backup');
  commit;
  set transaction isolation level read committed;
  if cancel_backup.timeout is not null then
    perform pg_catalog.set_config('lock_timeout',
      pg_catalog.ceil(extract(epoch from cancel_backup.timeout) operator(pg_catalog.*) 1000)::bigint::text, true);
  end if;
  cancel_backup.id := @schema@.active_request(cancel_backup.id, cancel_backup.label, cancel_backup.cluster);
  update @schema@.backup_request r set state = 'cancelled'
  where r.id = cancel_backup.id and r.state <> 'cancelled';
  commit;
  cancel_backup.state := 'cancelled';
end
$procedure$
$sql$, '@schema@', quote_ident(:'schema'))
\gexec
comment on procedure :"schema".cancel_backup(bigint, text, text, interval, text) is
  'Cancels a backup that the client has not finished. timeout: how long to wait for somebody who has its row locked. Needs autocommit.';
revoke all on procedure :"schema".cancel_backup(bigint, text, text, interval, text) from public;
grant execute on procedure :"schema".cancel_backup(bigint, text, text, interval, text) to :"requester";
