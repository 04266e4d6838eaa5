-- name: look
select :"schema".control_origin() as origin,
  :"schema".origin_is_confirmed() as confirmed,
  c.repository_id::text as id,
  c.repository_token::text as token,
  c.repository_pending::text[] as pending,
  c.repository_taken_over as "takenOver",
  c.repository_used_at as "usedAt",
  c.repository_problem as problem,
  -- A clock that was put back makes it due, too.
  coalesce(abs(extract(epoch from clock_timestamp() - c.repository_used_at)) > 60, true)
    or coalesce(c.repository_wanted_at > c.repository_used_at, false) as "isDue",
  coalesce(c.repository_wanted_at > c.repository_used_at, false) as "isWanted"
from :"schema".cluster c
where c.name = :cluster

-- name: want
select :"schema".want_token(:cluster) as asked

-- name: announce
-- Those that were killed at it leave theirs here: so many are enough, as the one that was found there is not among them.
-- A server that crashes must not forget what is written to the repository next.
with durable as materialized (
  select set_config('synchronous_commit', case current_setting('synchronous_commit') when 'off' then 'local'
    else current_setting('synchronous_commit') end, true) as setting
)
update :"schema".cluster
set repository_token = case when :found::uuid = any (repository_pending) then :found::uuid else repository_token end,
  repository_pending = (array_remove(repository_pending, :found::uuid))
    [greatest(1, cardinality(array_remove(repository_pending, :found::uuid)) - 18):] || :token::uuid
from durable
where name = :cluster and durable.setting is not null
returning clock_timestamp() as now

-- name: lock
select c.repository_id::text as id, c.repository_token::text as token, c.repository_pending::text[] as pending,
  c.repository_taken_over as "takenOver"
from :"schema".cluster c
where c.name = :cluster
for no key update

-- name: confirm
update :"schema".cluster
set repository_id = :id::uuid, repository_token = :found::uuid,
  repository_pending = array_remove(array_remove(repository_pending, :token::uuid), :found::uuid),
  repository_taken_over = false, repository_used_at = clock_timestamp(), repository_problem = null
where name = :cluster

-- name: complain
update :"schema".cluster
set repository_problem = :problem
where name = :cluster and repository_problem is distinct from :problem

-- name: require_origin
select :"schema".require_confirmed_origin(:what)

-- name: copies
select coalesce((
    select jsonb_agg(jsonb_build_object('id', r.id, 'systemIdentifier', r.system_identifier::text,
      'startLsn', r.start_lsn::text, 'timeline', r.timeline, 'backupLabel', r.backup_label) order by r.id)
    from :"schema".backup_request r
    where r.cluster = :cluster and r.method = 'copy' and r.state = 'complete' and r.expired_at is null
      and not exists (select from :"schema".backup_expiry e where e.request_id = r.id)
  ), '[]') as complete,
  array(
    select m.request_id::text from :"schema".missing_backup m where m.cluster = :cluster order by m.request_id
  ) as missing

-- name: forget_found
delete from :"schema".missing_backup
where cluster = :cluster and request_id <> all (:ids::bigint[])

-- name: note_missing
insert into :"schema".missing_backup (request_id, cluster)
select r.id, r.cluster
from :"schema".backup_request r
where r.id = any (:ids::bigint[]) and r.cluster = :cluster and r.expired_at is null
  and not exists (select from :"schema".backup_expiry e where e.request_id = r.id)
on conflict do nothing

-- name: missing
-- With the incremental copies that cannot be restored without it.
select m.request_id as "id", m.cluster, extract(epoch from clock_timestamp() - m.missing_since)::float8 as ago,
  array(
    select c.id::float8 from :"schema".backup_chain c
    where m.request_id = any (c.chain) and c.id <> m.request_id order by c.id) as lost
from :"schema".missing_backup m
where exists (select from :"schema".backup_request r where r.id = m.request_id and r.expired_at is null)
order by m.request_id

-- name: origin
select :"schema".control_origin() as origin, :"schema".origin_is_confirmed() as confirmed,
  c.origin as "confirmedOrigin", c.confirmed_by as "confirmedBy", c.confirmed_at as "confirmedAt"
from :"schema".confirmed_origin c

-- name: adopt
select :"schema".adopt() as origin

-- name: may_adopt
select session_user::text as login, current_user::text as role,
  has_function_privilege(p.oid, 'execute') as may
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname = :schema and p.proname = 'adopt'

-- name: adopt_repository
select :"schema".adopt_repository(:cluster, :id::uuid)

-- name: schedules_that_follow
select name, cluster, kind, cron, time_zone as "timeZone"
from :"schema".backup_schedule
where enabled
order by name

-- name: clusters
select name, repository_id::text as id, repository_problem as problem
from :"schema".cluster
order by name
