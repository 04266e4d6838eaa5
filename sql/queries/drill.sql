-- name: record
insert into :"schema".backup_drill
  (request_id, cluster, backup, worker, started_at, finished_at, ok, target, server_version, restore_seconds,
   recovery_seconds, bytes, recovered_to, last_transaction_at, checks, error_code, error, hint)
values (
  (select id from :"schema".backup_request
   where id = :id
     and cluster = :cluster
     and system_identifier = :system_identifier
     and start_lsn = :start_lsn
     and timeline = :timeline),
  :cluster, :backup, :worker, :started_at, :finished_at, :ok, :target, :server_version, :restore_seconds,
  :recovery_seconds, :bytes, :recovered_to, :last_transaction_at, :checks, :error_code, :error, :hint)
returning id

-- name: newest
select distinct on (d.cluster) d.id, d.cluster, d.backup, d.ok, d.error,
  d.request_id as "requestId",
  d.error_code as "errorCode",
  extract(epoch from clock_timestamp() - d.finished_at)::float8 as ago,
  extract(epoch from clock_timestamp() - proven.finished_at)::float8 as "provenAgo"
from :"schema".backup_drill d
left join lateral (
  select p.finished_at from :"schema".backup_drill p
  where p.cluster = d.cluster and p.ok order by p.id desc limit 1) proven on true
order by d.cluster, d.id desc

-- name: proof
select p.proven_at as "provenAt",
  p.recovery_seconds as "recoverySeconds",
  p.restore_seconds as "restoreSeconds",
  p.drilled_at as "drilledAt",
  p.drill_ok as "drillOk",
  p.drill_error as "drillError",
  p.verified_at as "verifiedAt",
  p.verified_ok as "verifiedOk"
from :"schema".backup_proof p
where p.id = :id::bigint
