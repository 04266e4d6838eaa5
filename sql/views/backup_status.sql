create or replace view :"schema".backup_status as
select r.id,
  r.cluster,
  r.label,
  r.method,
  r.state,
  :"schema".session_state(r.id) as session,
  clock_timestamp() - r.requested_at as age,
  g.stage,
  clock_timestamp() - g.began_at as stage_age,
  g.bytes_expected,
  g.bytes_done,
  (g.bytes_done / nullif(extract(epoch from clock_timestamp() - g.began_at), 0))::bigint as bytes_per_second,
  :"schema".waiting_for(r.id) as waiting_for,
  r.worker,
  (select last_seen from :"schema".worker where name = r.worker) as worker_last_seen,
  r.requested_by,
  r.start_lsn,
  r.warnings,
  r.parent,
  r.incremental_from
from :"schema".backup_request r
left join :"schema".backup_stage g on g.request_id = r.id and g.state = 'running'
where r.state in ('requested', 'starting', 'running', 'done', 'archiving');
comment on view :"schema".backup_status is 'One row per request that is not over, with what is really there.';
comment on column :"schema".backup_status.id is 'The request.';
comment on column :"schema".backup_status.cluster is 'Its cluster.';
comment on column :"schema".backup_status.label is 'Its label.';
comment on column :"schema".backup_status.method is 'Its method.';
comment on column :"schema".backup_status.state is 'Its state.';
comment on column :"schema".backup_status.session is
  'alive: the backup session is there. orphaned: its worker is gone from here. gone: the backup is lost, whatever the state says. unknown: it cannot be seen from here. null: none is due.';
comment on column :"schema".backup_status.age is 'Since it was requested.';
comment on column :"schema".backup_status.stage is 'connect (to the server, where no connection is free), checkpoint, copy, stop or archive.';
comment on column :"schema".backup_status.stage_age is 'Since that stage began.';
comment on column :"schema".backup_status.bytes_expected is 'How many bytes the stage has to do, where that is known.';
comment on column :"schema".backup_status.bytes_done is 'How many are done.';
comment on column :"schema".backup_status.bytes_per_second is 'The rate so far.';
comment on column :"schema".backup_status.waiting_for is 'What it waits for.';
comment on column :"schema".backup_status.worker is 'The worker that holds it.';
comment on column :"schema".backup_status.worker_last_seen is 'When that worker was last seen.';
comment on column :"schema".backup_status.requested_by is 'Who requested it.';
comment on column :"schema".backup_status.start_lsn is 'Where its window began.';
comment on column :"schema".backup_status.warnings is 'What went wrong without failing it.';
comment on column :"schema".backup_status.parent is
  'Of an incremental copy: the request of the copy of which it holds the changes. Null: a full copy, or not known yet.';
comment on column :"schema".backup_status.incremental_from is 'Of an incremental copy: the start_lsn of that copy.';
grant select on :"schema".backup_status to :"reader";
