-- Who is who: of which origin this control database is, and which repository each cluster has.

create table :"schema".confirmed_origin (
  only_row boolean primary key default true check (only_row),
  origin text not null,
  left_recovery_at timestamptz,
  confirmed_by text not null default current_user,
  confirmed_login text not null default session_user,
  confirmed_at timestamptz not null default clock_timestamp()
);
comment on table :"schema".confirmed_origin is
  'Of which origin this control database was when somebody last said that it is the one in charge: the installation, then adopt(). In a database of another origin (a restored copy, a promoted standby) nothing starts and nothing is removed.';
comment on column :"schema".confirmed_origin.only_row is 'Keeps the table at one row.';
comment on column :"schema".confirmed_origin.origin is 'What control_origin() returned.';
comment on column :"schema".confirmed_origin.left_recovery_at is 'What left_recovery_at() returned.';
comment on column :"schema".confirmed_origin.confirmed_by is 'The role that confirmed it (current_user).';
comment on column :"schema".confirmed_origin.confirmed_login is 'The login behind that role (session_user).';
comment on column :"schema".confirmed_origin.confirmed_at is 'When.';
grant select on :"schema".confirmed_origin to :"reader";

-- Where requests have been made already, the newest says which origin was in charge.
insert into :"schema".confirmed_origin (origin)
select coalesce(
  (select control_origin from :"schema".backup_request order by id desc limit 1),
  (select system_identifier || '/' || ltrim(substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), '0')
   from pg_control_system()));

alter table :"schema".cluster
  add column repository_id uuid,
  add column repository_token uuid,
  add column repository_pending uuid[] not null default '{}',
  add column repository_taken_over boolean not null default false,
  add column repository_used_at timestamptz,
  add column repository_problem text;
comment on column :"schema".cluster.repository_id is
  'The id of the cluster''s repository, as its owner.json has it; null: no worker has used one yet.';
comment on column :"schema".cluster.repository_token is
  'What the last use of this control database left in owner.json. Another one there: another copy of this database has used the repository since.';
comment on column :"schema".cluster.repository_pending is
  'Tokens that are being written there at this moment, or whose writer was killed.';
comment on column :"schema".cluster.repository_taken_over is
  'Whether the next worker or expiry takes the repository over, whoever has used it: adopt() says so.';
comment on column :"schema".cluster.repository_used_at is 'When the token was last renewed.';
comment on column :"schema".cluster.repository_problem is
  'Why the worker that looked last does not write to the repository; null: nothing is wrong.';
grant update (repository_id, repository_token, repository_pending, repository_taken_over, repository_used_at,
  repository_problem) on :"schema".cluster to :"worker";

create table :"schema".missing_backup (
  request_id bigint primary key references :"schema".backup_request (id) on delete cascade,
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
