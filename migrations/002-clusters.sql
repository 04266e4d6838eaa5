-- What can be backed up, with its archiver and its repository, and who is there to do it.

create table :"schema".cluster (
  name text primary key
    constraint cluster_name_is_valid check (name ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'),
  registered_by text not null default current_user,
  registered_at timestamptz not null default clock_timestamp(),
  checked_at timestamptz,
  server_version text,
  archive_mode text,
  archiver_failing boolean,
  last_archived_wal text,
  last_archived_at timestamptz,
  last_failed_wal text,
  last_failed_at timestamptz,
  wal_waiting integer,
  wal_waiting_since timestamptz,
  recovery_settings text[],
  repository_id uuid,
  repository_token uuid,
  repository_pending uuid[] not null default '{}',
  repository_taken_over boolean not null default false,
  repository_used_at timestamptz,
  repository_wanted_at timestamptz,
  repository_problem text
);
insert into :"schema".cluster (name) values ('main');

comment on table :"schema".cluster is
  'The PostgreSQL clusters that can be backed up. Installing creates main; workers register those they serve.';
comment on column :"schema".cluster.name is 'The name that requests use: a-z, 0-9, underscore, dot and hyphen, at most 63.';
comment on column :"schema".cluster.registered_by is 'The role that registered it.';
comment on column :"schema".cluster.registered_at is 'When it was registered.';
comment on column :"schema".cluster.checked_at is 'When a worker last looked at the cluster''s archiver.';
comment on column :"schema".cluster.server_version is 'The version of PostgreSQL it ran then.';
comment on column :"schema".cluster.archive_mode is 'Its archive_mode then: off, on or always.';
comment on column :"schema".cluster.archiver_failing is
  'Whether the archiver''s last attempt failed and its segment was still waiting (pg_stat_archiver, archive_status).';
comment on column :"schema".cluster.last_archived_wal is 'pg_stat_archiver.last_archived_wal.';
comment on column :"schema".cluster.last_archived_at is 'pg_stat_archiver.last_archived_time.';
comment on column :"schema".cluster.last_failed_wal is 'pg_stat_archiver.last_failed_wal.';
comment on column :"schema".cluster.last_failed_at is 'pg_stat_archiver.last_failed_time.';
comment on column :"schema".cluster.wal_waiting is
  'How many files waited for the archiver then (.ready in archive_status); null: the server archives nothing.';
comment on column :"schema".cluster.wal_waiting_since is
  'Since when the one of them waits that has waited longest; null: none waits.';
comment on column :"schema".cluster.recovery_settings is
  'Settings of a recovery that is over and that a restart would find again: a recovery target, hot_standby = off in postgresql.auto.conf. A standby made of the server would obey them. Empty: none; null: no worker has looked yet.';
comment on column :"schema".cluster.repository_id is
  'The id of the cluster''s repository, as its owner.json has it; null: no worker has used one yet.';
comment on column :"schema".cluster.repository_token is
  'What the last use of this control database left in owner.json. Another one there: another copy of this database has used the repository since.';
comment on column :"schema".cluster.repository_pending is
  'Tokens that are being written there at this moment, or whose writer was killed.';
comment on column :"schema".cluster.repository_taken_over is
  'Whether the next worker or expiry takes the repository over, whoever has used it: adopt() says so.';
comment on column :"schema".cluster.repository_used_at is 'When the token was last renewed.';
comment on column :"schema".cluster.repository_wanted_at is
  'When somebody last asked for the token to be renewed, in order to tell the repository from a copy: see want_token.';
comment on column :"schema".cluster.repository_problem is
  'Why the worker that looked last does not write to the repository; null: nothing is wrong.';

create table :"schema".worker (
  id bigint generated always as identity primary key,
  name text not null constraint worker_name_is_unique unique,
  instance uuid not null,
  clusters text[] not null default '{}',
  version text not null,
  host text not null,
  host_pid integer not null,
  pid integer not null,
  lock_key bigint not null,
  started_at timestamptz not null default clock_timestamp(),
  last_seen timestamptz not null default clock_timestamp(),
  draining boolean not null default false
);
comment on table :"schema".worker is
  'The workers that have served this installation. One is alive while its database session (pid) holds its advisory lock (lock_key): see worker_status.';
comment on column :"schema".worker.id is 'Primary key.';
comment on column :"schema".worker.name is 'Its configured name, by default its host''s.';
comment on column :"schema".worker.instance is 'One run of the worker process; a restart is another.';
comment on column :"schema".worker.clusters is 'The clusters that it serves.';
comment on column :"schema".worker.version is 'The version of Holdfast.';
comment on column :"schema".worker.host is 'The host it runs on.';
comment on column :"schema".worker.host_pid is 'Its process id on that host.';
comment on column :"schema".worker.pid is 'The backend of its session on this database.';
comment on column :"schema".worker.lock_key is
  'The key of the advisory lock that the session holds. Random for every session, so that nobody can take it first.';
comment on column :"schema".worker.started_at is 'When this run began.';
comment on column :"schema".worker.last_seen is 'Its last sign of life; the lock, not this, says whether it is alive.';
comment on column :"schema".worker.draining is 'Whether it is stopping and takes nothing new.';

\ir ../sql/functions/guard_worker.sql
create trigger guard_worker before update on :"schema".worker
  for each row execute function :"schema".guard_worker();

grant select on :"schema".cluster, :"schema".worker to :"reader";
grant insert (name), update (checked_at, server_version, archive_mode, archiver_failing,
  last_archived_wal, last_archived_at, last_failed_wal, last_failed_at, wal_waiting, wal_waiting_since, recovery_settings,
  repository_id, repository_token, repository_pending, repository_taken_over, repository_used_at,
  repository_wanted_at, repository_problem)
  on :"schema".cluster to :"worker";
grant insert (name, instance, clusters, version, host, host_pid, pid, lock_key),
  update (instance, clusters, version, host, host_pid, pid, lock_key, started_at, last_seen, draining)
  on :"schema".worker to :"worker";
