-- name: all
select id::float8 as id, cluster, label, parent::float8 as parent,
  chain::float8[] as chain,
  stopped_at as "stoppedAt",
  broken_link::float8 as "brokenLink",
  problem
from :"schema".backup_chain
order by id

-- name: recorded
select request_id::float8 as id, link::float8 as link, problem
from :"schema".broken_chain
where cluster = :cluster
order by request_id

-- name: forget
delete from :"schema".broken_chain
where cluster = :cluster and request_id <> all (:ids::bigint[])

-- name: note
insert into :"schema".broken_chain (request_id, cluster, link, problem)
select r.id, r.cluster, :link::bigint, :problem
from :"schema".backup_request r
where r.id = :id::bigint and r.cluster = :cluster and r.start_lsn = :start_lsn::pg_lsn
  and r.system_identifier = :system_identifier::bigint and r.expired_at is null
on conflict (request_id) do update set link = excluded.link, problem = excluded.problem
