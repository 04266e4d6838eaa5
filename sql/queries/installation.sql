-- name: find
select pg_catalog.to_regclass(pg_catalog.format('%I.migration', :name::text)) is not null as installed

-- name: version
select coalesce(max(number), 0) as version
from :"schema".migration

-- name: record_migration
insert into :"schema".migration (number, name)
values (:number, :name)

-- name: owner_of_schema
select pg_catalog.pg_get_userbyid(nspowner) as owner, nspowner = current_user::regrole as ours
from pg_catalog.pg_namespace
where nspname = :name
