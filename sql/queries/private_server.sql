-- name: facts
select current_setting('server_version') as version,
  pg_last_wal_replay_lsn()::text as "recoveredTo",
  pg_last_xact_replay_timestamp() as "lastTransactionAt",
  (select sum(pg_database_size(oid))::bigint from pg_database) as bytes

-- name: admit_everywhere
update pg_catalog.pg_database set datallowconn = true, datconnlimit = -1
where datconnlimit <> -2 and (not datallowconn or datconnlimit <> -1)

-- name: drop_settings_of_places_alone
-- The server never reads an empty list.
delete from pg_catalog.pg_db_role_setting
where not exists (
  select from unnest(setconfig) as one (setting)
  where not (split_part(setting, '=', 1) ~* '(^|[._])(path|dir|destdir|directory|command|program|provider|plugin|module|librar)'
    and split_part(setting, '=', 1) <> 'search_path'))

-- name: drop_settings_of_places
update pg_catalog.pg_db_role_setting
set setconfig = array(
  select setting from unnest(setconfig) as one (setting)
  where not (split_part(setting, '=', 1) ~* '(^|[._])(path|dir|destdir|directory|command|program|provider|plugin|module|librar)'
    and split_part(setting, '=', 1) <> 'search_path'))

-- name: databases
select datname as name from pg_catalog.pg_database where datconnlimit <> -2 order by oid

-- name: make_reader
create role :"schema" login bypassrls in role pg_monitor

-- name: reader_without_libraries
-- None, as in this session: '' would be taken for the name of one.
alter role :"schema" set session_preload_libraries from current

-- name: reader_notices_invalid_pages
alter role :"schema" set zero_damaged_pages = off

-- name: reader_notices_wrong_checksums
alter role :"schema" set ignore_checksum_failure = off

-- name: reader_of_all_data
grant pg_read_all_data to :"schema"

-- name: reader_without_event_triggers
alter role :"schema" set event_triggers = off

-- name: admit_reader
select format('grant connect on database %I to :"schema"', datname) as statement
from pg_catalog.pg_database
where datconnlimit <> -2

-- name: let_read_here
select format(reading, nspname) as statement
from pg_catalog.pg_namespace
cross join (values ('grant usage on schema %I to :"schema"'),
  ('grant select on all tables in schema %I to :"schema"'),
  ('grant select on all sequences in schema %I to :"schema"')) as granted (reading)
where nspname !~ '^pg_'

-- name: disable_event_triggers
update pg_catalog.pg_event_trigger set evtenabled = 'D' where evtenabled <> 'D'

-- name: checkpoint
checkpoint

-- name: amcheck
select (select extversion from pg_catalog.pg_extension where extname = 'amcheck') as installed,
  (select default_version from pg_catalog.pg_available_extensions where name = 'amcheck') as available

-- name: make_schema
create schema :"schema"

-- name: create_amcheck
create extension amcheck schema :"schema"

-- name: update_amcheck
alter extension amcheck update

-- name: move_amcheck
alter extension amcheck set schema :"schema"

-- name: indexes
select c.oid::bigint as oid, format('%I.%I', n.nspname, c.relname) as name, a.amname as method,
  (select case when bool_or(l.mode = 'AccessExclusiveLock') then 'all'
      when bool_or(l.mode not in ('AccessShareLock', 'RowShareLock', 'ShareLock')) then 'writes' else 'nothing' end
    from pg_catalog.pg_locks l
    where l.pid is null and l.locktype = 'relation' and l.relation in (c.oid, i.indrelid)
      and l.database in (0, (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()))
  ) as held
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indexrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_am a on a.oid = c.relam
where c.relkind = 'i' and c.relpersistence = 'p' and i.indisready and i.indisvalid
order by c.oid

-- name: tables
select c.oid::bigint as oid, format('%I.%I', n.nspname, c.relname) as name, c.relkind::text as kind,
  format('copy (select * from only %I.%I) to %L', n.nspname, c.relname, '/dev/null') as "readAll",
  (select case when bool_or(l.mode = 'AccessExclusiveLock') then 'all'
      when bool_or(l.mode not in ('AccessShareLock', 'RowShareLock', 'ShareLock')) then 'writes' else 'nothing' end
    from pg_catalog.pg_locks l
    where l.pid is null and l.locktype = 'relation' and l.relation in (c.oid)
      and l.database in (0, (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()))
  ) as held
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_am a on a.oid = c.relam
where c.relkind in ('r', 'm', 't') and c.relpersistence = 'p' and a.amname = 'heap'
order by c.oid

-- name: check_btree
select :"schema".bt_index_parent_check(index => :index::oid::regclass, heapallindexed => true)

-- name: check_unique_btree
select :"schema".bt_index_parent_check(
  index => :index::oid::regclass, heapallindexed => true, rootdescend => false, checkunique => true)

-- name: check_btree_at_work
select :"schema".bt_index_check(index => :index::oid::regclass, heapallindexed => true)

-- name: check_gin
select :"schema".gin_index_check(:index::oid::regclass)

-- name: check_heap
select format('block %s, row %s: %s', blkno, offnum, msg) as problem
from :"schema".verify_heapam(relation => :table::oid::regclass, check_toast => true)
limit 20
