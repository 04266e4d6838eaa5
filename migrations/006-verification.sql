-- What "holdfast verify" found in the repository: a history, like that of the requests.

create table :"schema".backup_verification (
  id bigint generated always as identity primary key,
  request_id bigint references :"schema".backup_request (id) on delete cascade,
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
