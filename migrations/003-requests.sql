-- The heart: requests, their sessions, stages and history, and the moves between states.

create table :"schema".state_transition (
  from_state text not null,
  to_state text not null,
  mover text not null constraint mover_is_known check (mover in ('client', 'worker', 'operator')),
  primary key (from_state, to_state, mover)
);
insert into :"schema".state_transition (from_state, to_state, mover) values
  ('requested', 'starting', 'worker'),
  ('starting', 'running', 'worker'),
  ('running', 'done', 'client'),
  ('running', 'done', 'worker'),
  ('done', 'archiving', 'worker'),
  ('archiving', 'complete', 'worker'),
  ('requested', 'cancelled', 'client'),
  ('starting', 'cancelled', 'client'),
  ('running', 'cancelled', 'client'),
  ('requested', 'failed', 'worker'),
  ('starting', 'failed', 'worker'),
  ('running', 'failed', 'worker'),
  ('done', 'failed', 'worker'),
  ('archiving', 'failed', 'worker'),
  ('archiving', 'failed', 'operator');
comment on table :"schema".state_transition is
  'Every move that a backup request may make, and who may make it. No row, no move: the guard trigger refuses it.';
comment on column :"schema".state_transition.from_state is 'The state before.';
comment on column :"schema".state_transition.to_state is 'The state after.';
comment on column :"schema".state_transition.mover is
  'client: the requester, or an operator. worker: the worker that holds the request, by its lock. operator: an operator.';

create table :"schema".backup_request (
  id bigint generated always as identity primary key,
  cluster text not null default 'main' references :"schema".cluster (name),
  label text not null
    constraint label_is_1_to_1000_bytes check (octet_length(label) between 1 and 1000)
    constraint label_has_no_control_characters check (label !~ '[\x01-\x1f\x7f]' collate "C"),
  method text not null default 'hold'
    constraint method_is_known check (method in ('hold', 'command', 'copy')),
  command text
    constraint command_is_a_name check (command ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$'),
  fast boolean not null default false,
  wait_for_archive boolean not null default true,
  hold_timeout interval
    constraint hold_timeout_is_0_to_100_years check (hold_timeout between interval '0' and interval '100 years'),
  keep boolean not null default false,
  annotations jsonb
    constraint annotations_have_at_most_64_kilobytes check (octet_length(convert_to(annotations::text, 'UTF8')) <= 65536),
  requested_by text not null,
  requested_login text not null,
  requested_at timestamptz not null,
  state text not null default 'requested'
    constraint state_is_known check (state in
      ('requested', 'starting', 'running', 'done', 'archiving', 'complete', 'failed', 'cancelled')),
  worker text,
  pid integer,
  backend_start timestamptz,
  started_at timestamptz,
  start_lsn pg_lsn,
  start_wal text,
  timeline integer,
  system_identifier bigint,
  server_version text,
  done_at timestamptz,
  stopped_at timestamptz,
  stop_lsn pg_lsn,
  stop_wal text,
  archived_at timestamptz,
  finished_at timestamptz,
  backup_label text,
  tablespace_map text,
  error_code text,
  error text,
  hint text,
  warnings text[] not null default '{}',
  moved_by text not null,
  caller_pid integer,
  caller_key bigint,
  control_origin text not null,
  rate_limit bigint
    constraint rate_limit_is_32_kilobytes_or_more check (rate_limit >= 32768)
    constraint rate_limit_goes_with_copy check (rate_limit is null or method = 'copy'),
  compress_level integer
    constraint compress_level_is_1_to_19 check (compress_level between 1 and 19)
    constraint compress_level_goes_with_copy check (compress_level is null or method = 'copy'),
  incremental boolean not null default false
    constraint incremental_goes_with_copy check (not incremental or method = 'copy'),
  parent bigint,
  incremental_from pg_lsn,
  schedule text,
  expired_at timestamptz,
  keep_changed_at timestamptz,
  archive_seen boolean,
  constraint command_goes_with_its_method check ((method = 'command') = (command is not null)),
  constraint a_claimed_request_names_its_worker
    check (state in ('requested', 'cancelled', 'failed') or num_nulls(worker, pid, backend_start) = 0),
  constraint a_window_has_a_beginning
    check (state not in ('running', 'done', 'archiving', 'complete')
      or num_nulls(started_at, start_lsn, start_wal, timeline, system_identifier, server_version) = 0),
  constraint a_stopped_backup_has_its_label
    check (state not in ('archiving', 'complete') or num_nulls(stopped_at, stop_lsn, stop_wal, backup_label) = 0),
  constraint complete_means_archived
    check (state <> 'complete' or (archived_at is not null) = wait_for_archive),
  constraint an_incremental_copy_was_asked_for_and_has_a_parent
    check ((parent is null) = (incremental_from is null) and (parent is null or incremental)),
  constraint a_failure_has_a_reason
    check ((state = 'failed') = (error_code is not null) and (error_code is null) = (error is null)),
  constraint what_is_over_has_an_end
    check ((state in ('complete', 'failed', 'cancelled')) = (finished_at is not null))
);

create unique index one_active_request_per_label on :"schema".backup_request (cluster, label)
  where state in ('requested', 'starting', 'running', 'done');
create index requests_not_over on :"schema".backup_request (cluster, requested_by, id)
  where state in ('requested', 'starting', 'running', 'done', 'archiving');
create index requests_waiting_by_login on :"schema".backup_request (cluster, requested_login)
  where state = 'requested' and schedule is null;
create index requests_finished on :"schema".backup_request (cluster, state, finished_at desc)
  where state in ('complete', 'failed', 'cancelled');
create index requests_by_parent on :"schema".backup_request (parent) where parent is not null;
create index requests_by_label on :"schema".backup_request (cluster, label, id);

comment on table :"schema".backup_request is
  'One row per backup. INSERT one to start a backup; UPDATE ... SET state = ''done'' when the copy is finished; then read backup_label and tablespace_map.';
comment on column :"schema".backup_request.id is 'Primary key.';
comment on column :"schema".backup_request.cluster is 'Which cluster to back up; it must be in the table cluster.';
comment on column :"schema".backup_request.label is
  'The backup''s name: 1 to 1000 bytes, no control characters; by default the UTC time and the id. Unique among the requests of a cluster from requested to done.';
comment on column :"schema".backup_request.method is
  'hold: somebody else copies while the request is running. command: the worker runs a configured command. copy: the worker copies into its repository.';
comment on column :"schema".backup_request.command is 'With method command: the name of a command in the worker''s configuration.';
comment on column :"schema".backup_request.fast is 'Start with an immediate checkpoint instead of a spread one.';
comment on column :"schema".backup_request.wait_for_archive is
  'Whether complete waits until every WAL segment that the backup needs has been archived.';
comment on column :"schema".backup_request.hold_timeout is
  'How long running may last; null: the worker''s default; zero: no limit, if the worker allows it.';
comment on column :"schema".backup_request.keep is 'Never expire or prune it.';
comment on column :"schema".backup_request.annotations is 'Whatever the requester wants to note, in at most 64 kB.';
comment on column :"schema".backup_request.requested_by is 'The role that requested it (current_user).';
comment on column :"schema".backup_request.requested_login is 'The login behind that role (session_user).';
comment on column :"schema".backup_request.requested_at is 'When it was inserted.';
comment on column :"schema".backup_request.state is
  'requested, starting, running (copy now), done (the client has finished), archiving (label readable), complete (restorable); or failed, cancelled. The moves are in state_transition.';
comment on column :"schema".backup_request.worker is 'The worker that holds it.';
comment on column :"schema".backup_request.pid is 'The backend of the backup session, on the cluster''s server.';
comment on column :"schema".backup_request.backend_start is 'When that backend started.';
comment on column :"schema".backup_request.started_at is 'When pg_backup_start had returned: the copy may begin.';
comment on column :"schema".backup_request.start_lsn is 'What pg_backup_start returned.';
comment on column :"schema".backup_request.start_wal is 'The WAL segment with start_lsn: the first that a restore needs.';
comment on column :"schema".backup_request.timeline is 'The cluster''s timeline.';
comment on column :"schema".backup_request.system_identifier is 'The cluster''s system identifier.';
comment on column :"schema".backup_request.server_version is 'The cluster''s version of PostgreSQL.';
comment on column :"schema".backup_request.done_at is 'When the client finished.';
comment on column :"schema".backup_request.stopped_at is 'When pg_backup_stop had returned and the label was stored.';
comment on column :"schema".backup_request.stop_lsn is 'What pg_backup_stop returned: a restore must replay to here to be consistent.';
comment on column :"schema".backup_request.stop_wal is 'The WAL segment with stop_lsn: the last that a restore needs.';
comment on column :"schema".backup_request.archived_at is 'When all that WAL was archived; null where nobody waited for it.';
comment on column :"schema".backup_request.finished_at is 'When it became complete, failed or cancelled.';
comment on column :"schema".backup_request.backup_label is
  'The backup_label file, to be put into the restored data directory as it is (binary mode, nothing added).';
comment on column :"schema".backup_request.tablespace_map is
  'The tablespace_map file, likewise; null when there is none: then no such file must exist.';
comment on column :"schema".backup_request.error_code is 'Why it failed, for programs: see the list in docs/sql-api.md.';
comment on column :"schema".backup_request.error is 'Why it failed.';
comment on column :"schema".backup_request.hint is 'What to do about it.';
comment on column :"schema".backup_request.warnings is 'What went wrong without failing it.';
comment on column :"schema".backup_request.moved_by is 'The role that made the last move, for backup_event.';
comment on column :"schema".backup_request.caller_pid is 'While start_backup waits for running: its backend.';
comment on column :"schema".backup_request.caller_key is
  'While start_backup waits for running: the advisory lock that it holds. When that has been gone for several seconds (see caller_waits), nobody waits any more, and a worker ends the request.';
comment on column :"schema".backup_request.control_origin is
  'System identifier, OIDs of the database and of confirmed_origin, and timeline of the control database when the row was inserted: a database restored from before then, or from a dump, has another, and never executes the row.';
comment on column :"schema".backup_request.rate_limit is
  'With method copy: how many bytes a second are read at most, 32768 or more; null: as fast as it goes.';
comment on column :"schema".backup_request.compress_level is
  'With method copy: the zstd level, 1 to 19; null: the worker''s default.';
comment on column :"schema".backup_request.incremental is
  'With method copy: copy only what has changed since the newest copy, where that can be done (server 17 or newer). Where not, it becomes a full copy, and warnings say why.';
comment on column :"schema".backup_request.parent is
  'Of an incremental copy: the request of the copy of which it holds the changes. A restore needs that one, too. Null: a full copy. No foreign key: that request may be pruned.';
comment on column :"schema".backup_request.incremental_from is
  'Of an incremental copy: the start_lsn of that copy. All that has changed since is in this one.';
comment on column :"schema".backup_request.schedule is 'The schedule that requested it; null: somebody else did.';
comment on column :"schema".backup_request.expired_at is
  'When its files were gone, by the retention policy: see backup_expiry. Null: they are where they were put.';
comment on column :"schema".backup_request.keep_changed_at is
  'When keep was changed last; null: it is what it was requested with.';
comment on column :"schema".backup_request.archive_seen is
  'Whether that WAL was seen in the archive. false: it was looked for and is not there, see warnings. null: the worker cannot see the archive, so it is archived as the server says.';

create table :"schema".backup_session (
  request_id bigint primary key references :"schema".backup_request (id) on delete cascade,
  instance uuid not null,
  lock_key bigint not null,
  login oid,
  database oid,
  proxy_key bigint,
  monitor_pid integer,
  monitor_key bigint,
  tablespaces bytea,
  backup_label bytea,
  tablespace_map bytea
);
comment on table :"schema".backup_session is
  'What has to be known about a request''s backup session to tell whether it is there, and to take over from a dead worker.';
comment on column :"schema".backup_session.request_id is 'The request.';
comment on column :"schema".backup_session.instance is 'The run of the worker that holds it.';
comment on column :"schema".backup_session.lock_key is
  'The key of the advisory lock that the session (backup_request.pid) holds until the outcome is written.';
-- Keys and pids can be read by everybody and pids come again: whose session it is has to be known as well.
comment on column :"schema".backup_session.login is
  'The role that the session and the monitor session logged in as, on their server: a lock of anybody else''s is not theirs. Null: made by a release that did not note it.';
comment on column :"schema".backup_session.database is
  'The database on this very server in which that lock can be seen; null: the session is on another server.';
comment on column :"schema".backup_session.proxy_key is
  'Where the session is on another server: the key of the proxy lock that the worker''s session here holds for as long as that session is there.';
comment on column :"schema".backup_session.monitor_pid is 'The process ID of the worker''s monitor session on the session''s server.';
comment on column :"schema".backup_session.monitor_key is
  'The key of the advisory lock that the monitor session holds: where that lock is gone too, the worker is dead.';
comment on column :"schema".backup_session.tablespaces is
  'The tablespaces at the start in the format of tablespace_map, should the label have to be rebuilt.';
comment on column :"schema".backup_session.backup_label is 'The bytes of backup_label.';
comment on column :"schema".backup_session.tablespace_map is 'The bytes of tablespace_map; null when it is empty.';

create table :"schema".backup_stage (
  request_id bigint not null references :"schema".backup_request (id) on delete cascade,
  stage text not null,
  state text not null constraint stage_state_is_known check (state in ('running', 'done', 'failed', 'cancelled')),
  began_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  bytes_expected bigint,
  bytes_done bigint,
  detail text,
  primary key (request_id, stage)
);
comment on table :"schema".backup_stage is
  'One row per stage of a request: connect (where that took time), checkpoint, copy, stop, archive.';
comment on column :"schema".backup_stage.request_id is 'The request.';
comment on column :"schema".backup_stage.stage is
  'connect: until the server had a connection free. checkpoint: until pg_backup_start returned. copy: until done. stop: until the label was stored. archive: until the WAL was archived.';
comment on column :"schema".backup_stage.state is 'running, done, failed or cancelled.';
comment on column :"schema".backup_stage.began_at is 'When it began.';
comment on column :"schema".backup_stage.ended_at is 'When it ended.';
comment on column :"schema".backup_stage.bytes_expected is 'How many bytes there are to do, where that is known.';
comment on column :"schema".backup_stage.bytes_done is 'How many are done.';
comment on column :"schema".backup_stage.detail is 'What it is waiting for.';

create table :"schema".backup_event (
  id bigint generated always as identity primary key,
  request_id bigint not null,
  from_state text,
  to_state text not null,
  who text not null,
  login text not null,
  at timestamptz not null default clock_timestamp(),
  detail jsonb
);
create index backup_event_by_request on :"schema".backup_event (request_id);
comment on table :"schema".backup_event is 'Every change of state of every request. Append-only.';
comment on column :"schema".backup_event.id is 'Primary key.';
comment on column :"schema".backup_event.request_id is 'The request.';
comment on column :"schema".backup_event.from_state is 'The state before; null: it was inserted.';
comment on column :"schema".backup_event.to_state is 'The state after.';
comment on column :"schema".backup_event.who is 'The role that made the move.';
comment on column :"schema".backup_event.login is 'The login behind that role.';
comment on column :"schema".backup_event.at is 'When.';
comment on column :"schema".backup_event.detail is 'What else there is to know: the worker, the error.';

create unlogged table :"schema".requested_label (
  cluster text,
  label text,
  primary key (cluster, label)
);
comment on table :"schema".requested_label is
  'The labels that open transactions are requesting: no row is left once a transaction has ended. Only choose_label writes here, so that nobody but a requester of the same label can make it wait.';
comment on column :"schema".requested_label.cluster is 'The cluster of the request.';
comment on column :"schema".requested_label.label is 'Its label.';

\ir ../sql/functions/accept_backup_request.sql
\ir ../sql/functions/choose_label.sql
\ir ../sql/functions/guard_backup_request.sql
\ir ../sql/functions/guard_backup_session.sql
\ir ../sql/functions/record_backup_event.sql
\ir ../sql/functions/announce_hold.sql
\ir ../sql/functions/protect_history.sql

create trigger accept_backup_request before insert on :"schema".backup_request
  for each row execute function :"schema".accept_backup_request();
-- Behind accept_backup_request, in the order of their names: the requester is known by then.
create trigger choose_label before insert on :"schema".backup_request
  for each row execute function :"schema".choose_label();
create trigger guard_backup_request before update on :"schema".backup_request
  for each row execute function :"schema".guard_backup_request();
create trigger guard_backup_session before insert or update on :"schema".backup_session
  for each row execute function :"schema".guard_backup_session();
create trigger record_backup_event after insert or update of state on :"schema".backup_request
  for each row execute function :"schema".record_backup_event();
create trigger announce_keep after update of keep on :"schema".backup_request
  for each row when (old.keep is distinct from new.keep) execute function :"schema".announce_hold();
create trigger protect_requests before delete on :"schema".backup_request
  for each row execute function :"schema".protect_history();
create trigger protect_requests_from_truncate before truncate on :"schema".backup_request
  for each statement execute function :"schema".protect_history();
create trigger protect_events before update or delete on :"schema".backup_event
  for each row execute function :"schema".protect_history();
create trigger protect_events_from_truncate before truncate on :"schema".backup_event
  for each statement execute function :"schema".protect_history();

-- Who may do what. UPDATE also is what SELECT ... FOR UPDATE needs, so the row policy is what
-- keeps a requester from freezing other people's rows.
alter table :"schema".backup_request enable row level security;
create policy everybody_reads on :"schema".backup_request for select to :"reader" using (true);
create policy requesters_insert on :"schema".backup_request for insert to :"requester" with check (true);
create policy requesters_move_their_own on :"schema".backup_request for update to :"requester"
  using (requested_by = current_user) with check (requested_by = current_user);
create policy operators_move_all on :"schema".backup_request for update to :"operator" using (true);
create policy workers_move_all on :"schema".backup_request for update to :"worker" using (true);

grant select on :"schema".state_transition, :"schema".backup_request, :"schema".backup_session,
  :"schema".backup_stage, :"schema".backup_event to :"reader";
grant insert (cluster, label, method, command, fast, wait_for_archive, hold_timeout, keep, annotations, rate_limit,
    compress_level, incremental, caller_key),
  update (state, caller_key) on :"schema".backup_request to :"requester";
grant update (keep, annotations) on :"schema".backup_request to :"operator";
grant update (state, worker, pid, backend_start, start_lsn, start_wal, timeline, system_identifier,
  server_version, stop_lsn, stop_wal, backup_label, tablespace_map, error_code, error, hint, warnings,
  archive_seen, parent, incremental_from)
  on :"schema".backup_request to :"worker";
grant insert, update on :"schema".backup_session to :"worker";
grant update (bytes_expected, bytes_done, detail) on :"schema".backup_stage to :"worker";
