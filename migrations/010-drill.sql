-- What restore drills found: backups restored to a scratch directory, started and checked. A history.

create table :"schema".backup_drill (
  id bigint generated always as identity primary key,
  request_id bigint references :"schema".backup_request (id) on delete cascade,
  cluster text not null,
  backup text,
  worker text not null,
  started_at timestamptz not null,
  finished_at timestamptz not null,
  ok boolean not null,
  target text not null,
  server_version text,
  restore_seconds double precision,
  recovery_seconds double precision,
  bytes bigint,
  recovered_to pg_lsn,
  last_transaction_at timestamptz,
  checks jsonb not null default '[]',
  error_code text,
  error text,
  hint text,
  drilled_by text not null default current_user,
  drilled_login text not null default session_user,
  constraint a_drill_ends_after_it_began check (finished_at >= started_at),
  constraint ok_means_proven check (ok = (error_code is null) and (error_code is null) = (error is null)),
  constraint what_is_proven_has_recovered
    check (not ok or num_nulls(backup, server_version, restore_seconds, recovery_seconds, bytes, recovered_to) = 0)
);
create index backup_drill_by_request on :"schema".backup_drill (request_id, id);
create index backup_drill_by_cluster on :"schema".backup_drill (cluster, id);
comment on table :"schema".backup_drill is
  'Restore drills, once for each time that a backup was restored, started on a private PostgreSQL and checked. Append-only.';
comment on column :"schema".backup_drill.id is 'Primary key.';
comment on column :"schema".backup_drill.request_id is
  'The request that made the backup; null where this database does not know it, or no backup could be chosen.';
comment on column :"schema".backup_drill.cluster is 'The cluster.';
comment on column :"schema".backup_drill.backup is 'The backup''s name in the repository; null where none could be chosen.';
comment on column :"schema".backup_drill.worker is 'The worker that ran the drill, or the host of the command line.';
comment on column :"schema".backup_drill.started_at is 'When it began.';
comment on column :"schema".backup_drill.finished_at is 'When it ended.';
comment on column :"schema".backup_drill.ok is
  'Whether the backup is proven restorable: it was restored, recovered to the target, and every check held.';
comment on column :"schema".backup_drill.target is
  'How far recovery was to go: latest (the end of the archive), immediate (the end of the backup), or a time, LSN, transaction or restore point.';
comment on column :"schema".backup_drill.server_version is 'The version of PostgreSQL that it was started with.';
comment on column :"schema".backup_drill.restore_seconds is 'How long it took until all files were in place and on the disk.';
comment on column :"schema".backup_drill.recovery_seconds is
  'How long it took from the start of the server until it took connections for writing.';
comment on column :"schema".backup_drill.bytes is 'The size of the recovered data: all databases.';
comment on column :"schema".backup_drill.recovered_to is 'Where recovery ended in the WAL.';
comment on column :"schema".backup_drill.last_transaction_at is
  'When the last transaction that was recovered had been committed; null: the WAL had none.';
comment on column :"schema".backup_drill.checks is
  'What was checked: a list of objects with check, database, ok, skipped, detail, problems and seconds.';
comment on column :"schema".backup_drill.error_code is 'Why it failed, for programs; null: it did not.';
comment on column :"schema".backup_drill.error is 'Why it failed.';
comment on column :"schema".backup_drill.hint is 'What to do about it.';
comment on column :"schema".backup_drill.drilled_by is 'The role that wrote this (current_user).';
comment on column :"schema".backup_drill.drilled_login is 'The login behind that role (session_user).';

-- Its body is in sql/functions.
create function :"schema".announce_drill() returns trigger language plpgsql as
  $$ begin raise exception 'the installation of Holdfast is not finished'; end $$;
create trigger announce_drill after insert on :"schema".backup_drill
  for each row execute function :"schema".announce_drill();
create trigger protect_drills before update or delete on :"schema".backup_drill
  for each row execute function :"schema".protect_history();
create trigger protect_drills_from_truncate before truncate on :"schema".backup_drill
  for each statement execute function :"schema".protect_history();

grant select on :"schema".backup_drill to :"reader";
grant insert (request_id, cluster, backup, worker, started_at, finished_at, ok, target, server_version,
  restore_seconds, recovery_seconds, bytes, recovered_to, last_transaction_at, checks, error_code, error, hint)
  on :"schema".backup_drill to :"worker";
