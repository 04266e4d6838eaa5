create or replace view :"schema".worker_status as
select w.name,
  :"schema".worker_lock_is_held(w.lock_key, w.pid) as alive,
  w.draining,
  w.clusters,
  (select count(*)
   from :"schema".backup_request r join :"schema".backup_session s on s.request_id = r.id
   where s.instance = w.instance and r.state in ('starting', 'running', 'done')) as held,
  w.version,
  w.host,
  w.host_pid,
  w.started_at,
  w.last_seen
from :"schema".worker w;
comment on view :"schema".worker_status is 'The workers: who is alive, what each serves and how many backup sessions it holds.';
comment on column :"schema".worker_status.name is 'The worker''s name.';
comment on column :"schema".worker_status.alive is 'Whether its session is on this database right now.';
comment on column :"schema".worker_status.draining is 'Whether it is stopping and takes nothing new.';
comment on column :"schema".worker_status.clusters is 'The clusters it serves.';
comment on column :"schema".worker_status.held is 'How many backup sessions it holds.';
comment on column :"schema".worker_status.version is 'Its version.';
comment on column :"schema".worker_status.host is 'Its host.';
comment on column :"schema".worker_status.host_pid is 'Its process id there.';
comment on column :"schema".worker_status.started_at is 'When it started.';
comment on column :"schema".worker_status.last_seen is 'Its last sign of life.';
grant select on :"schema".worker_status to :"reader";
