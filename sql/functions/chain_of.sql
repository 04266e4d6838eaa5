create or replace function :"schema".chain_of(of_request bigint) returns bigint[]
language sql stable
set search_path = :"schema", pg_temp
as $$
  with recursive link as (
    select id, parent, incremental_from, system_identifier, start_lsn, array[id] as chain
    from backup_request
    where id = of_request
    union all
    -- A parent begins before its child, so that no chain leads round in a circle. Ids repeat after a restore of this
    -- database, and so do not tell a parent by themselves.
    select p.id, p.parent, p.incremental_from, p.system_identifier, p.start_lsn, p.id || l.chain
    from link l
    join backup_request p on p.id = l.parent and p.start_lsn = l.incremental_from
      and p.system_identifier = l.system_identifier and p.start_lsn < l.start_lsn
  )
  select chain from link order by cardinality(chain) desc limit 1
$$;
comment on function :"schema".chain_of(bigint) is
  'The requests of the copies that a restore of a backup reads, from the full copy to the backup itself; only of those behind one that this database does not know any more. Null: no such request.';
revoke all on function :"schema".chain_of(bigint) from public;
grant execute on function :"schema".chain_of(bigint) to :"reader";
