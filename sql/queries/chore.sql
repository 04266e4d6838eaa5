-- name: live
-- So many of each cluster and kind, the one that runs first: however many wait, none hides another kind's.
select id, cluster, kind, state, attempts, instance,
  state = 'running' and not :"schema".worker_is_alive(instance) as "workerGone",
  greatest(0, extract(epoch from next_attempt_at - clock_timestamp()) * 1000)::float8 as "dueIn"
from (
  select *, row_number() over (partition by cluster, kind order by state = 'running' desc, id) as place
  from :"schema".backup_chore
  where state in ('requested', 'running', 'retrying')
    and cluster = any (:clusters::text[])
    and (select :"schema".origin_is_confirmed())) as live
where place <= 1000
order by id

-- name: queue
-- A row if pg-boss has made its schema.
select c.oid
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = :name and c.relname = 'version'

-- name: request
insert into :"schema".backup_chore (cluster, kind)
select :cluster, :kind
where not exists (
  select from :"schema".backup_chore
  where cluster = :cluster and kind = :kind and state in ('requested', 'running', 'retrying'))
returning id

-- name: begin
update :"schema".backup_chore
set state = 'running', attempts = attempts + 1, started_at = clock_timestamp(), next_attempt_at = null,
  worker = :worker, instance = :instance::uuid, result = null
where id = (
  select id from :"schema".backup_chore
  where id = :id and state in ('requested', 'retrying') and :"schema".origin_is_confirmed()
  for no key update nowait)
returning id, cluster, kind, backup, options, attempts as attempt,
  request_id as "requestId",
  (select jsonb_build_object('id', r.id, 'systemIdentifier', r.system_identifier::text, 'startLsn', r.start_lsn::text,
      'timeline', r.timeline, 'backupLabel', r.backup_label)
    from :"schema".backup_request r where r.id = backup_chore.request_id and r.start_lsn is not null) as recorded

-- name: hold
-- The row of an attempt that is still that worker's, locked.
select id
from :"schema".backup_chore
where id = :id and state = 'running' and instance = :instance::uuid and attempts = :attempt
for no key update nowait

-- name: complete
update :"schema".backup_chore
set state = 'complete', result = :result::jsonb, error_code = null, error = null, hint = null
where id = :id

-- name: fail
update :"schema".backup_chore
set state = 'failed', next_attempt_at = null, result = coalesce(:result::jsonb, result),
  error_code = :code, error = :message, hint = :hint
where id = :id

-- name: retry
update :"schema".backup_chore
set state = 'retrying', next_attempt_at = :at::timestamptz, attempts = :attempts,
  result = coalesce(:result::jsonb, result), error_code = :code, error = :message, hint = :hint
where id = :id

-- name: refuse
update :"schema".backup_chore
set state = 'failed', next_attempt_at = null, error_code = :code, error = :message, hint = :hint
where id in (
  select id from :"schema".backup_chore
  where id = any (:ids::bigint[]) and state in ('requested', 'retrying')
  for no key update skip locked)
returning id
