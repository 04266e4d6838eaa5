-- What was found out about the backups that there are: verifications, damaged pages and restore drills, which are
-- histories, the copies that are missing, and the chains that are broken.
--
-- What is written of a backup that is over must not wait for whoever keeps its row locked, as a foreign key would: its
-- requester may. So there is none where a worker writes later. Rows of history go with their request in prune(); a worker
-- removes the rows of what is not missing any more.

create table :"schema".backup_verification (
  id bigint generated always as identity primary key,
  request_id bigint,
  cluster text not null,
  backup text not null,
  started_at timestamptz not null,
  finished_at timestamptz not null,
  ok boolean not null,
  problems text[] not null default '{}',
  files bigint not null,
  bytes bigint not null,
  segments bigint not null,
  verified_by text not null default current_user,
  verified_login text not null default session_user,
  constraint it_ends_after_it_began check (finished_at >= started_at),
  constraint ok_means_no_problems check (ok = (cardinality(problems) = 0))
);
create index backup_verification_by_request on :"schema".backup_verification (request_id);
comment on table :"schema".backup_verification is
  'What "holdfast verify" found, once for each time that it looked at a backup. Append-only.';
comment on column :"schema".backup_verification.id is 'Primary key.';
comment on column :"schema".backup_verification.request_id is
  'The request that made the backup; null where this database does not know it.';
comment on column :"schema".backup_verification.cluster is 'The cluster.';
comment on column :"schema".backup_verification.backup is 'The backup''s name in the repository.';
comment on column :"schema".backup_verification.started_at is 'When the verification began.';
comment on column :"schema".backup_verification.finished_at is 'When it ended.';
comment on column :"schema".backup_verification.ok is
  'Whether every frame, checksum and WAL segment that a restore needs was as it should be.';
comment on column :"schema".backup_verification.problems is 'What was not; the first hundred of them.';
comment on column :"schema".backup_verification.files is 'How many files were whole.';
comment on column :"schema".backup_verification.bytes is 'How many bytes they have.';
comment on column :"schema".backup_verification.segments is 'How many WAL segments were looked at.';
comment on column :"schema".backup_verification.verified_by is 'The role that wrote this (current_user).';
comment on column :"schema".backup_verification.verified_login is 'The login behind that role (session_user).';

create trigger protect_verifications before update or delete on :"schema".backup_verification
  for each row execute function :"schema".protect_history();
create trigger protect_verifications_from_truncate before truncate on :"schema".backup_verification
  for each statement execute function :"schema".protect_history();

grant select on :"schema".backup_verification to :"reader";
grant insert (request_id, cluster, backup, started_at, finished_at, ok, problems, files, bytes, segments)
  on :"schema".backup_verification to :"worker";

create table :"schema".damaged_page (
  request_id bigint not null references :"schema".backup_request (id) on delete cascade,
  file text not null,
  block bigint not null constraint a_block_has_a_number check (block >= 0),
  primary key (request_id, file, block)
);
comment on table :"schema".damaged_page is
  'Pages whose checksum was wrong when a backup was copied, as its backup.json lists them: 10000 of a backup at most. Append-only.';
comment on column :"schema".damaged_page.request_id is 'The request that made the backup.';
comment on column :"schema".damaged_page.file is 'The file, below the data directory.';
comment on column :"schema".damaged_page.block is 'The block, counted through all files of the relation.';

create trigger protect_damaged_pages before update or delete on :"schema".damaged_page
  for each row execute function :"schema".protect_history();
create trigger protect_damaged_pages_from_truncate before truncate on :"schema".damaged_page
  for each statement execute function :"schema".protect_history();

grant select on :"schema".damaged_page to :"reader";
grant insert (request_id, file, block) on :"schema".damaged_page to :"worker";

create table :"schema".backup_drill (
  id bigint generated always as identity primary key,
  request_id bigint,
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

\ir ../sql/functions/announce_drill.sql
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

create table :"schema".missing_backup (
  request_id bigint primary key,
  cluster text not null,
  missing_since timestamptz not null default clock_timestamp()
);
comment on table :"schema".missing_backup is
  'Copies that are complete and have not expired, but are not in the repository, as the worker that looked last saw it.';
comment on column :"schema".missing_backup.request_id is 'The request that made it.';
comment on column :"schema".missing_backup.cluster is 'The cluster.';
comment on column :"schema".missing_backup.missing_since is 'When a worker first missed it.';
grant select on :"schema".missing_backup to :"reader";
grant insert (request_id, cluster), delete on :"schema".missing_backup to :"worker";

create table :"schema".broken_chain (
  request_id bigint primary key,
  cluster text not null,
  link bigint not null,
  problem text not null,
  broken_since timestamptz not null default clock_timestamp()
);
comment on table :"schema".broken_chain is
  'Incremental copies that cannot be restored, because a copy that they need is gone, damaged or another one, as the worker that looked last saw it in the repository.';
comment on column :"schema".broken_chain.request_id is 'The request that made the incremental copy.';
comment on column :"schema".broken_chain.cluster is 'The cluster.';
comment on column :"schema".broken_chain.link is 'The request of the copy that breaks the chain.';
comment on column :"schema".broken_chain.problem is 'What is wrong with that copy.';
comment on column :"schema".broken_chain.broken_since is 'When a worker first saw it.';
grant select on :"schema".broken_chain to :"reader";
grant insert (request_id, cluster, link, problem), update (link, problem), delete on :"schema".broken_chain to :"worker";
