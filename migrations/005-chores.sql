-- Chores: what is done around backups. Each is a row here; pg-boss, in a schema of its own, has the queue.

create table :"schema".backup_chore (
  id bigint generated always as identity primary key,
  cluster text not null default 'main' references :"schema".cluster (name),
  kind text not null
    constraint kind_is_known check (kind in ('sync', 'verify', 'drill', 'expire')),
  request_id bigint,
  backup text
    constraint backup_is_a_name check (backup ~ '^[0-9]{8}T[0-9]{6}Z-[0-9]{1,18}$'),
  options jsonb not null default '{}'
    constraint options_are_an_object check (jsonb_typeof(options) = 'object')
    constraint options_have_at_most_8_kilobytes check (octet_length(convert_to(options::text, 'UTF8')) <= 8192),
  requested_by text not null,
  requested_login text not null,
  requested_at timestamptz not null,
  automatic boolean not null,
  schedule text,
  state text not null default 'requested'
    constraint state_is_known check (state in ('requested', 'running', 'retrying', 'complete', 'failed')),
  attempts integer not null default 0 constraint attempts_are_counted check (attempts >= 0),
  started_at timestamptz,
  next_attempt_at timestamptz,
  finished_at timestamptz,
  worker text,
  instance uuid,
  result jsonb,
  error_code text,
  error text,
  hint text,
  constraint a_running_chore_names_its_worker
    check (state <> 'running' or num_nulls(worker, instance, started_at) = 0),
  constraint a_retry_has_a_time check ((state = 'retrying') = (next_attempt_at is not null)),
  constraint a_failure_has_a_reason
    check ((state not in ('failed', 'retrying') or error_code is not null) and (error_code is null) = (error is null)),
  constraint what_is_over_has_an_end check ((state in ('complete', 'failed')) = (finished_at is not null))
);

create index chores_not_over on :"schema".backup_chore (cluster, kind, id)
  where state in ('requested', 'running', 'retrying');
create index chores_finished on :"schema".backup_chore (cluster, kind, finished_at desc)
  where state in ('complete', 'failed');

comment on table :"schema".backup_chore is
  'One row per chore: INSERT one to have it done by a worker. At most one of a cluster and kind runs at a time; one that fails is tried again.';
comment on column :"schema".backup_chore.id is 'Primary key.';
comment on column :"schema".backup_chore.cluster is 'Whose repository it is about.';
comment on column :"schema".backup_chore.kind is
  'sync: send what is unsent off-site. verify: verify a backup. drill: restore a backup and try it. expire: remove what the policy no longer keeps.';
comment on column :"schema".backup_chore.request_id is
  'With verify and drill: the request that made the backup; null: the chore chooses, as a rule the newest. The worker finds the backup by what the request has recorded of it.';
comment on column :"schema".backup_chore.backup is
  'With verify and drill: the backup''s name in the repository, such as 20260314T120000Z-12. With request_id, it must be that backup''s.';
comment on column :"schema".backup_chore.options is 'What else the chore is told; which ones there are depends on its kind.';
comment on column :"schema".backup_chore.requested_by is 'The role that requested it (current_user).';
comment on column :"schema".backup_chore.requested_login is 'The login behind that role (session_user).';
comment on column :"schema".backup_chore.requested_at is 'When it was inserted.';
comment on column :"schema".backup_chore.automatic is
  'Whether a worker requested it by itself. Automatic syncs that completed are removed after a day.';
comment on column :"schema".backup_chore.schedule is 'The schedule that requested it; null: somebody else did.';
comment on column :"schema".backup_chore.state is
  'requested, running, retrying (it failed and is tried again at next_attempt_at); complete or failed.';
comment on column :"schema".backup_chore.attempts is 'How many times it was begun.';
comment on column :"schema".backup_chore.started_at is 'When the latest attempt began.';
comment on column :"schema".backup_chore.next_attempt_at is 'While retrying: when the next one begins.';
comment on column :"schema".backup_chore.finished_at is 'When it became complete or failed.';
comment on column :"schema".backup_chore.worker is 'The worker of the latest attempt.';
comment on column :"schema".backup_chore.instance is 'The run of that worker.';
comment on column :"schema".backup_chore.result is 'What came of it; what is in there depends on its kind.';
comment on column :"schema".backup_chore.error_code is
  'Why the attempt before this one failed, or the last one, for programs: see the list in docs/sql-api.md.';
comment on column :"schema".backup_chore.error is 'The same in words.';
comment on column :"schema".backup_chore.hint is 'What to do about it.';

\ir ../sql/functions/accept_backup_chore.sql
\ir ../sql/functions/guard_backup_chore.sql
\ir ../sql/functions/announce_backup_chore.sql

create trigger accept_backup_chore before insert on :"schema".backup_chore
  for each row execute function :"schema".accept_backup_chore();
create trigger guard_backup_chore before update on :"schema".backup_chore
  for each row execute function :"schema".guard_backup_chore();
create trigger announce_backup_chore after insert or update of state on :"schema".backup_chore
  for each row execute function :"schema".announce_backup_chore();
create trigger protect_chores before delete on :"schema".backup_chore
  for each row execute function :"schema".protect_history();
create trigger protect_chores_from_truncate before truncate on :"schema".backup_chore
  for each statement execute function :"schema".protect_history();

grant select on :"schema".backup_chore to :"reader";
grant insert (cluster, kind, request_id, backup, options), update (state) on :"schema".backup_chore to :"operator";
grant insert (cluster, kind),
  update (state, attempts, started_at, next_attempt_at, worker, instance, result, error_code, error, hint)
  on :"schema".backup_chore to :"worker";
