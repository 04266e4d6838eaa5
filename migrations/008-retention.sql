-- How long backups and WAL are kept, what must never go, and what has gone.

create table :"schema".retention_policy (
  cluster text primary key references :"schema".cluster (name),
  keep_last integer constraint keep_last_is_1_to_10000 check (keep_last between 1 and 10000),
  keep_within interval constraint keep_within_is_positive check (keep_within between interval '1 second' and interval '1000 years'),
  keep_daily integer constraint keep_daily_is_1_to_10000 check (keep_daily between 1 and 10000),
  keep_weekly integer constraint keep_weekly_is_1_to_10000 check (keep_weekly between 1 and 10000),
  keep_monthly integer constraint keep_monthly_is_1_to_10000 check (keep_monthly between 1 and 10000),
  recovery_window interval constraint recovery_window_is_not_negative check (recovery_window between interval '0' and interval '1000 years'),
  time_zone text not null default 'UTC',
  enabled boolean not null default true,
  changed_by text not null,
  changed_login text not null,
  changed_at timestamptz not null,
  constraint a_policy_keeps_something
    check (num_nonnulls(keep_last, keep_within, keep_daily, keep_weekly, keep_monthly, recovery_window) > 0)
);
comment on table :"schema".retention_policy is
  'How long a cluster''s backups and WAL are kept. What any of the rules keeps stays. No row, or none that is enabled: nothing ever expires.';
comment on column :"schema".retention_policy.cluster is 'The cluster.';
comment on column :"schema".retention_policy.keep_last is 'Keep that many of the newest backups.';
comment on column :"schema".retention_policy.keep_within is 'Keep every backup that is younger.';
comment on column :"schema".retention_policy.keep_daily is
  'Keep the newest backup of each of the last so many days that have one.';
comment on column :"schema".retention_policy.keep_weekly is
  'Keep the newest backup of each of the last so many weeks (Monday to Sunday) that have one.';
comment on column :"schema".retention_policy.keep_monthly is
  'Keep the newest backup of each of the last so many months that have one.';
comment on column :"schema".retention_policy.recovery_window is
  'Every moment that is not longer ago can be restored: the backups and the WAL that this takes are kept. Null: every backup that is kept can be rolled forward to the end, so all WAL since the oldest of them is.';
comment on column :"schema".retention_policy.time_zone is
  'Where days, weeks and months begin, and what a month or a day of an interval is: a name in pg_timezone_names.';
comment on column :"schema".retention_policy.enabled is 'Whether anything expires.';
comment on column :"schema".retention_policy.changed_by is 'The role that wrote it last (current_user).';
comment on column :"schema".retention_policy.changed_login is 'The login behind that role (session_user).';
comment on column :"schema".retention_policy.changed_at is 'When.';

create table :"schema".legal_hold (
  id bigint generated always as identity primary key,
  request_id bigint not null references :"schema".backup_request (id) on delete cascade,
  reason text not null constraint a_hold_says_why check (octet_length(reason) between 1 and 1000),
  released boolean not null default false,
  placed_by text not null,
  placed_login text not null,
  placed_at timestamptz not null,
  released_by text,
  released_login text,
  released_at timestamptz,
  constraint what_is_released_says_by_whom
    check (num_nonnulls(released_by, released_login, released_at) = case when released then 3 else 0 end)
);
create index legal_hold_by_request on :"schema".legal_hold (request_id) where not released;
comment on table :"schema".legal_hold is
  'Backups that must not go, whatever a policy says, until every hold on them is released. A history: holds are released, never removed.';
comment on column :"schema".legal_hold.id is 'Primary key.';
comment on column :"schema".legal_hold.request_id is 'The backup.';
comment on column :"schema".legal_hold.reason is 'Why, in 1 to 1000 bytes.';
comment on column :"schema".legal_hold.released is 'Whether it is over: set it to true to release it; that is for good.';
comment on column :"schema".legal_hold.placed_by is 'The role that placed it (current_user).';
comment on column :"schema".legal_hold.placed_login is 'The login behind that role (session_user).';
comment on column :"schema".legal_hold.placed_at is 'When.';
comment on column :"schema".legal_hold.released_by is 'The role that released it.';
comment on column :"schema".legal_hold.released_login is 'The login behind that role.';
comment on column :"schema".legal_hold.released_at is 'When.';

create table :"schema".backup_expiry (
  id bigint generated always as identity primary key,
  cluster text not null,
  backup text not null,
  request_id bigint,
  method text not null,
  stopped_at timestamptz not null,
  system_identifier bigint not null,
  start_lsn pg_lsn not null,
  reason text not null,
  policy jsonb,
  begun_at timestamptz not null default clock_timestamp(),
  begun_by text not null,
  removed_at timestamptz,
  bytes bigint,
  error text,
  constraint an_expiry_is_begun_once unique (cluster, backup, system_identifier, start_lsn)
);
create index backup_expiry_by_request on :"schema".backup_expiry (request_id);
comment on table :"schema".backup_expiry is
  'Every backup that has expired: when, why and by which policy. Written before anything is removed.';
comment on column :"schema".backup_expiry.id is 'Primary key.';
comment on column :"schema".backup_expiry.cluster is 'Its cluster.';
comment on column :"schema".backup_expiry.backup is
  'Its name in the repository; of a copy that somebody else made, <UTC start>-<id> as well.';
comment on column :"schema".backup_expiry.request_id is 'Its request; null where this database does not know it.';
comment on column :"schema".backup_expiry.method is 'How it was made: hold, command or copy.';
comment on column :"schema".backup_expiry.stopped_at is 'When it had ended: its age counts from then.';
comment on column :"schema".backup_expiry.system_identifier is 'The system that it is of.';
comment on column :"schema".backup_expiry.start_lsn is 'Where it began.';
comment on column :"schema".backup_expiry.reason is 'Why nothing kept it.';
comment on column :"schema".backup_expiry.policy is 'The policy as it was then.';
comment on column :"schema".backup_expiry.begun_at is 'When it was taken off the list.';
comment on column :"schema".backup_expiry.begun_by is 'The login that did it.';
comment on column :"schema".backup_expiry.removed_at is
  'When its files were gone; null: they are being removed, or the next expiry goes on with it.';
comment on column :"schema".backup_expiry.bytes is 'What its files took, without those that are the archive''s as well.';
comment on column :"schema".backup_expiry.error is 'Why they could not be removed, the last time that it was tried.';

create table :"schema".wal_expiry (
  id bigint generated always as identity primary key,
  cluster text not null,
  timeline integer not null,
  start_wal text not null constraint start_wal_is_a_segment check (start_wal ~ '^[0-9A-F]{24}$'),
  end_wal text not null constraint end_wal_is_a_segment check (end_wal ~ '^[0-9A-F]{24}$'),
  files integer not null,
  reason text not null,
  begun_at timestamptz not null default clock_timestamp(),
  begun_by text not null default session_user,
  constraint a_range_does_not_end_before_it_starts check (start_wal <= end_wal)
);
create index wal_expiry_by_timeline on :"schema".wal_expiry (cluster, timeline, end_wal);
comment on table :"schema".wal_expiry is
  'The WAL that has expired: one row for each run of segments, written before they are removed. Append-only.';
comment on column :"schema".wal_expiry.id is 'Primary key.';
comment on column :"schema".wal_expiry.cluster is 'The cluster.';
comment on column :"schema".wal_expiry.timeline is 'The timeline in the segments'' names.';
comment on column :"schema".wal_expiry.start_wal is 'The first segment.';
comment on column :"schema".wal_expiry.end_wal is 'The last one.';
comment on column :"schema".wal_expiry.files is 'How many files: segments, and what was beside them (.partial, .backup).';
comment on column :"schema".wal_expiry.reason is 'Why nothing kept them.';
comment on column :"schema".wal_expiry.begun_at is 'When.';
comment on column :"schema".wal_expiry.begun_by is 'The login that did it.';

\ir ../sql/functions/guard_retention_policy.sql
\ir ../sql/functions/guard_legal_hold.sql

create trigger guard_retention_policy before insert or update on :"schema".retention_policy
  for each row execute function :"schema".guard_retention_policy();
create trigger guard_legal_hold before insert or update on :"schema".legal_hold
  for each row execute function :"schema".guard_legal_hold();
create trigger announce_hold after insert or update on :"schema".legal_hold
  for each row execute function :"schema".announce_hold();
create trigger protect_holds before delete on :"schema".legal_hold
  for each row execute function :"schema".protect_history();
create trigger protect_holds_from_truncate before truncate on :"schema".legal_hold
  for each statement execute function :"schema".protect_history();
create trigger protect_expiries before delete on :"schema".backup_expiry
  for each row execute function :"schema".protect_history();
create trigger protect_expiries_from_truncate before truncate on :"schema".backup_expiry
  for each statement execute function :"schema".protect_history();
create trigger protect_wal_expiries before update or delete on :"schema".wal_expiry
  for each row execute function :"schema".protect_history();
create trigger protect_wal_expiries_from_truncate before truncate on :"schema".wal_expiry
  for each statement execute function :"schema".protect_history();

grant select on :"schema".retention_policy, :"schema".legal_hold, :"schema".backup_expiry, :"schema".wal_expiry
  to :"reader";
grant insert (cluster, keep_last, keep_within, keep_daily, keep_weekly, keep_monthly, recovery_window, time_zone, enabled),
  update (cluster, keep_last, keep_within, keep_daily, keep_weekly, keep_monthly, recovery_window, time_zone, enabled),
  delete on :"schema".retention_policy to :"operator";
grant insert (request_id, reason), update (released) on :"schema".legal_hold to :"operator";
grant insert (cluster, timeline, start_wal, end_wal, files, reason) on :"schema".wal_expiry to :"worker";
