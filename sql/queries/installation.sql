-- name: find
select pg_catalog.to_regclass(pg_catalog.format('%I.migration', :name::text)) is not null as installed

-- name: migrations
select number, name
from :"schema".migration
order by number

-- name: record_migration
insert into :"schema".migration (number, name)
values (:number, :name)

-- name: owner_of_schema
select pg_catalog.pg_get_userbyid(nspowner) as owner, pg_catalog.pg_get_userbyid(nspowner) = current_user as ours
from pg_catalog.pg_namespace
where nspname = :name

-- name: holders
select distinct l.pid, coalesce(a.usename, '?') as role,
  coalesce(nullif(a.application_name, ''), 'no application_name') as program
from pg_catalog.pg_locks l
join pg_catalog.pg_class c on c.oid = l.relation
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_stat_activity a on a.pid = l.pid
where n.nspname in (:name::text, :name::text || '_boss')
  and l.granted and l.pid <> pg_catalog.pg_backend_pid()
  and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
order by l.pid
limit 5

-- name: blockers
-- The sessions whose locks a backend waits for.
select distinct b.pid, coalesce(a.usename, '?') as role,
  coalesce(nullif(a.application_name, ''), 'no application_name') as program
from unnest(pg_catalog.pg_blocking_pids(:pid::integer)) as b (pid)
left join pg_catalog.pg_stat_activity a on a.pid = b.pid
order by b.pid
limit 5
