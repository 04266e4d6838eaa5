select replace($sql$
create or replace procedure @schema@.stop_backup(
  label text default null, cluster text default 'main', timeout interval default null,
  inout id bigint default null, inout backup_label text default null, inout tablespace_map text default null)
language plpgsql
as $procedure$
#variable_conflict use_column
declare
  outcome text;
begin
  call @schema@.require_autocommit('stop_backup');
  commit;
  set transaction isolation level read committed;
  stop_backup.id := @schema@.active_request(stop_backup.id, stop_backup.label, stop_backup.cluster);
  update @schema@.backup_request r set state = 'done'
  where r.id = stop_backup.id and r.state in ('requested', 'starting', 'running');
  commit;
  set transaction isolation level read committed;
  call @schema@.await_backup(stop_backup.id, 'complete', stop_backup.timeout, outcome);
  if outcome <> 'reached' then
    perform @schema@.raise_outcome(stop_backup.id, outcome, 'complete');
  end if;
  select r.backup_label, r.tablespace_map into stop_backup.backup_label, stop_backup.tablespace_map
  from @schema@.backup_request r where r.id = stop_backup.id;
end
$procedure$
$sql$, '@schema@', quote_ident(:'schema'))
\gexec
comment on procedure :"schema".stop_backup(text, text, interval, bigint, text, text) is
  'Finishes a backup, by the label of an active one or by id, and returns backup_label and tablespace_map once it is complete. Interrupted or timed out, it leaves the backup to finish by itself. Needs autocommit.';
revoke all on procedure :"schema".stop_backup(text, text, interval, bigint, text, text) from public;
grant execute on procedure :"schema".stop_backup(text, text, interval, bigint, text, text) to :"requester";
