-- Schedules: rows that workers turn into requests, each due time once, however many workers there are.

create table :"schema".backup_schedule (
  name text primary key
    constraint schedule_name_is_valid check (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$'),
  cron text not null,
  time_zone text not null default 'UTC',
  cluster text not null default 'main' references :"schema".cluster (name),
  kind text not null default 'backup'
    constraint schedule_kind_is_known check (kind in ('backup', 'verify', 'drill', 'expire', 'sync')),
  label_prefix text
    constraint label_prefix_is_1_to_900_bytes check (octet_length(label_prefix) between 1 and 900),
  method text not null default 'copy'
    constraint schedule_method_is_known check (method in ('hold', 'command', 'copy')),
  command text
    constraint schedule_command_is_a_name check (command ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$'),
  fast boolean not null default false,
  wait_for_archive boolean not null default true,
  hold_timeout interval
    constraint schedule_hold_timeout_is_0_to_100_years check (hold_timeout between interval '0' and interval '100 years'),
  keep boolean not null default false,
  annotations jsonb
    constraint schedule_annotations_have_at_most_64_kilobytes
      check (octet_length(convert_to(annotations::text, 'UTF8')) <= 65536),
  rate_limit bigint
    constraint schedule_rate_limit_is_32_kilobytes_or_more check (rate_limit >= 32768)
    constraint schedule_rate_limit_goes_with_copy check (rate_limit is null or method = 'copy'),
  compress_level integer
    constraint schedule_compress_level_is_1_to_19 check (compress_level between 1 and 19)
    constraint schedule_compress_level_goes_with_copy check (compress_level is null or method = 'copy'),
  incremental boolean not null default false
    constraint schedule_incremental_goes_with_copy check (not incremental or (kind = 'backup' and method = 'copy')),
  full_every interval not null default interval '7 days'
    constraint full_every_is_positive check (full_every between interval '1 second' and interval '100 years'),
  options jsonb not null default '{}'
    constraint options_are_an_object check (jsonb_typeof(options) = 'object' and octet_length(options::text) <= 8192),
  enabled boolean not null default true,
  overlap text not null default 'skip'
    constraint overlap_is_known check (overlap in ('skip', 'wait', 'start')),
  on_failure text not null default 'retry'
    constraint on_failure_is_known check (on_failure in ('retry', 'next', 'pause')),
  catch_up text not null default 'once'
    constraint catch_up_is_known check (catch_up in ('none', 'once')),
  jitter interval not null default '0'
    constraint jitter_is_0_to_1_day check (jitter between interval '0' and interval '1 day'),
  owner text not null,
  changed_at timestamptz not null,
  revision bigint not null,
  planned_after timestamptz not null,
  next_run timestamptz,
  last_run timestamptz,
  last_success timestamptz,
  paused_because text,
  problem text,
  constraint schedule_command_goes_with_its_method check ((method = 'command') = (command is not null)),
  constraint options_go_with_other_kinds check (kind <> 'backup' or options = '{}')
);
create index schedules_by_cluster on :"schema".backup_schedule (cluster);

comment on table :"schema".backup_schedule is
  'When backups are requested by themselves, and which. INSERT, UPDATE and DELETE take effect at once in every worker.';
comment on column :"schema".backup_schedule.name is 'Its name: letters, digits, underscore, dot and hyphen, at most 63. It never changes.';
comment on column :"schema".backup_schedule.cron is
  'When: minute, hour, day of month, month and weekday, with seconds before them if there are six fields; or @daily and its like. Day of month and weekday must both fit.';
comment on column :"schema".backup_schedule.time_zone is 'Whose clock that means, such as Europe/Berlin.';
comment on column :"schema".backup_schedule.cluster is 'The cluster. Only workers that serve it act on the schedule.';
comment on column :"schema".backup_schedule.kind is
  'backup: each run is a row of backup_request. verify, drill, expire, sync: a chore of that kind.';
comment on column :"schema".backup_schedule.label_prefix is
  'What the labels of its requests begin with; the due time in UTC follows. Null: its name.';
comment on column :"schema".backup_schedule.method is 'Of its requests, as in backup_request; by default copy.';
comment on column :"schema".backup_schedule.command is 'Of its requests, as in backup_request.';
comment on column :"schema".backup_schedule.fast is 'Of its requests, as in backup_request.';
comment on column :"schema".backup_schedule.wait_for_archive is 'Of its requests, as in backup_request.';
comment on column :"schema".backup_schedule.hold_timeout is 'Of its requests, as in backup_request.';
comment on column :"schema".backup_schedule.keep is 'Of its requests, as in backup_request.';
comment on column :"schema".backup_schedule.annotations is 'Of its requests, as in backup_request.';
comment on column :"schema".backup_schedule.rate_limit is 'Of its requests, as in backup_request.';
comment on column :"schema".backup_schedule.compress_level is 'Of its requests, as in backup_request.';
comment on column :"schema".backup_schedule.incremental is
  'Of its requests, as in backup_request: each copies only what has changed since the newest copy. A run asks for a full copy where the newest full copy is as old as full_every says, or there is none.';
comment on column :"schema".backup_schedule.full_every is
  'With incremental: how old the newest full copy of the cluster may get, whoever requested it, counted from due time to due time on the clock of time_zone. By default 7 days.';
comment on column :"schema".backup_schedule.options is 'With another kind than backup: the options of its chores.';
comment on column :"schema".backup_schedule.enabled is 'Whether it runs. What is due while it does not is not made up for.';
comment on column :"schema".backup_schedule.overlap is
  'When the run before is still under way: skip this one, wait for that to end (one waits at most), or start beside it.';
comment on column :"schema".backup_schedule.on_failure is
  'retry: after 1, 2, 4 and so on to 60 minutes, until the next run is due. next: wait for that. pause: disable the schedule.';
comment on column :"schema".backup_schedule.catch_up is
  'What was due while no worker was there for more than five minutes: none: leave it. once: run once for all of it.';
comment on column :"schema".backup_schedule.jitter is 'Each run starts by a random part of this later than it is due.';
comment on column :"schema".backup_schedule.owner is
  'Who said last what it requests: an operator, with whose rights its requests are made.';
comment on column :"schema".backup_schedule.changed_at is 'When it was changed last.';
comment on column :"schema".backup_schedule.revision is 'Counts the changes, so that no worker acts on what has been changed.';
comment on column :"schema".backup_schedule.planned_after is 'next_run is the first due time after this.';
comment on column :"schema".backup_schedule.next_run is
  'When it is due next; null until a worker that serves the cluster has computed it, and while it is disabled.';
comment on column :"schema".backup_schedule.last_run is 'When it last requested something.';
comment on column :"schema".backup_schedule.last_success is 'When what it had requested was last complete.';
comment on column :"schema".backup_schedule.paused_because is 'Why on_failure = pause has disabled it.';
comment on column :"schema".backup_schedule.problem is 'Why next_run cannot be computed.';

create table :"schema".backup_schedule_run (
  id bigint generated always as identity primary key,
  schedule text not null references :"schema".backup_schedule (name) on delete cascade,
  due_at timestamptz not null,
  missed_since timestamptz,
  state text not null
    constraint run_state_is_known check (state in
      ('due', 'waiting', 'retrying', 'requested', 'complete', 'failed', 'cancelled', 'skipped', 'missed')),
  start_at timestamptz not null,
  attempts integer not null default 0,
  request_id bigint references :"schema".backup_request (id) on delete set null,
  chore_id bigint,
  error_code text,
  error text,
  finished_at timestamptz,
  constraint one_run_per_due_time unique (schedule, due_at),
  constraint a_run_that_is_over_has_an_end
    check ((state in ('complete', 'failed', 'cancelled', 'skipped', 'missed')) = (finished_at is not null))
);
create index schedule_runs_not_over on :"schema".backup_schedule_run (schedule)
  where state in ('due', 'waiting', 'retrying', 'requested');
create index schedule_runs_by_request on :"schema".backup_schedule_run (request_id);

comment on table :"schema".backup_schedule_run is 'What became of each due time of a schedule.';
comment on column :"schema".backup_schedule_run.id is 'Primary key.';
comment on column :"schema".backup_schedule_run.schedule is 'The schedule.';
comment on column :"schema".backup_schedule_run.due_at is 'The due time: at most one run each, whatever the number of workers.';
comment on column :"schema".backup_schedule_run.missed_since is
  'The first due time that this run stands for, where it stands for several or came too late; null: it was in time.';
comment on column :"schema".backup_schedule_run.state is
  'due: until start_at. waiting: for the run before. retrying: until start_at, after a failure. requested: see request_id. Then complete, failed, cancelled; skipped (overlap), missed (catch_up).';
comment on column :"schema".backup_schedule_run.start_at is 'When it starts: the due time with its jitter, or the next attempt.';
comment on column :"schema".backup_schedule_run.attempts is 'How often it has been tried.';
comment on column :"schema".backup_schedule_run.request_id is 'The latest request; null: none, or pruned.';
comment on column :"schema".backup_schedule_run.chore_id is 'With another kind than backup: the latest chore.';
comment on column :"schema".backup_schedule_run.error_code is 'Why the latest attempt failed, for programs.';
comment on column :"schema".backup_schedule_run.error is 'Why it failed, was skipped or missed.';
comment on column :"schema".backup_schedule_run.finished_at is 'When it was over.';

\ir ../sql/functions/accept_backup_schedule.sql
\ir ../sql/functions/announce_schedule.sql

create trigger accept_backup_schedule before insert or update on :"schema".backup_schedule
  for each row execute function :"schema".accept_backup_schedule();
create trigger announce_schedule after insert or delete on :"schema".backup_schedule
  for each row execute function :"schema".announce_schedule();
create trigger announce_change_of_schedule after update on :"schema".backup_schedule
  for each row when (new.revision <> old.revision) execute function :"schema".announce_schedule();

-- Operators look after each other's schedules, as after each other's requests. Whoever says what one requests
-- becomes its owner, so that nobody can request in another's name.
alter table :"schema".backup_schedule enable row level security;
create policy everybody_reads on :"schema".backup_schedule for select to :"reader" using (true);
create policy operators_insert on :"schema".backup_schedule for insert to :"operator" with check (owner = current_user);
create policy operators_change on :"schema".backup_schedule for update to :"operator" using (true);
create policy operators_delete on :"schema".backup_schedule for delete to :"operator" using (true);

grant select on :"schema".backup_schedule, :"schema".backup_schedule_run to :"reader";
grant insert (name, cron, time_zone, cluster, kind, label_prefix, method, command, fast, wait_for_archive,
    hold_timeout, keep, annotations, rate_limit, compress_level, incremental, full_every, options, enabled, overlap, on_failure, catch_up, jitter),
  update (cron, time_zone, cluster, kind, label_prefix, method, command, fast, wait_for_archive,
    hold_timeout, keep, annotations, rate_limit, compress_level, incremental, full_every, options, enabled, overlap, on_failure, catch_up, jitter),
  delete on :"schema".backup_schedule to :"operator";
