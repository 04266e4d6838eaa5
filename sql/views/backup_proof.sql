create or replace view :"schema".backup_proof as
select r.id,
  r.cluster,
  r.label,
  r.finished_at,
  proven.finished_at as proven_at,
  proven.id as proven_by,
  proven.recovery_seconds,
  proven.restore_seconds,
  last.finished_at as drilled_at,
  last.ok as drill_ok,
  last.error as drill_error,
  verified.finished_at as verified_at,
  verified.ok as verified_ok
from :"schema".backup_request r
left join lateral (
  select d.id, d.finished_at, d.recovery_seconds, d.restore_seconds from :"schema".backup_drill d
  where d.request_id = r.id and d.ok order by d.id desc limit 1) proven on true
left join lateral (
  select d.finished_at, d.ok, d.error from :"schema".backup_drill d
  where d.request_id = r.id order by d.id desc limit 1) last on true
left join lateral (
  select v.finished_at, v.ok from :"schema".backup_verification v
  where v.request_id = r.id order by v.id desc limit 1) verified on true
where r.state = 'complete';
comment on view :"schema".backup_proof is
  'One row per complete backup: when it was last proven restorable by a drill, and what the last drill and verification of it said.';
comment on column :"schema".backup_proof.id is 'The request.';
comment on column :"schema".backup_proof.cluster is 'Its cluster.';
comment on column :"schema".backup_proof.label is 'Its label.';
comment on column :"schema".backup_proof.finished_at is 'When it was complete.';
comment on column :"schema".backup_proof.proven_at is
  'When the last drill that succeeded had restored it, recovered it and checked it; null: never.';
comment on column :"schema".backup_proof.proven_by is 'That drill, in backup_drill.';
comment on column :"schema".backup_proof.recovery_seconds is 'How long its recovery took.';
comment on column :"schema".backup_proof.restore_seconds is 'How long the restore of its files took.';
comment on column :"schema".backup_proof.drilled_at is 'When the last drill of it ended, whatever came of that; null: there was none.';
comment on column :"schema".backup_proof.drill_ok is 'Whether that one succeeded.';
comment on column :"schema".backup_proof.drill_error is 'Why not.';
comment on column :"schema".backup_proof.verified_at is 'When it was last verified; null: never.';
comment on column :"schema".backup_proof.verified_ok is 'Whether it was sound then.';
grant select on :"schema".backup_proof to :"reader";
