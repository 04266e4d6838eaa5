-- The schema, the four roles, the record of what has been applied, and which control database this is.
-- Variables: schema, and the role names reader, requester, operator, worker.

-- In a schema of somebody else's, everything here would be at his mercy.
select format('do %L', format('begin raise exception using message = %L, errcode = %L; end',
  format('schema "%s" belongs to role "%s", not to "%s"', nspname, pg_get_userbyid(nspowner), current_user),
  'insufficient_privilege'))
from pg_namespace
where nspname = :'schema' and pg_get_userbyid(nspowner) <> current_user
\gexec

create schema if not exists :"schema";
comment on schema :"schema" is
  'Holdfast: PostgreSQL backups driven from SQL. INSERT INTO backup_request starts one.';

-- A role may exist already: another database of this server may hold an installation of the same name.
-- Its members and comments are then left as they are. Or it may come into being at this very moment, from there.
select statement
from (values
  (1, :'reader', null, 'Holdfast: may read every table and view of the schema.'),
  (2, :'requester', :'reader', 'Holdfast: may request backups, and finish and cancel its own.'),
  (3, :'operator', :'requester', 'Holdfast: may finish and cancel anyone''s backups, keep them, and prune old requests.'),
  (4, :'worker', :'reader', 'Holdfast: what the worker''s login needs on the control database.')
) role (place, name, is_a, comment),
lateral (values
  (1, format('do %L', format(
    'begin create role %I nologin; exception when duplicate_object or unique_violation then null; end', name))),
  (2, case when is_a is not null then format('grant %I to %I', is_a, name) end),
  (3, format('comment on role %I is %L', name, comment))
) step (number, statement)
where not exists (select from pg_roles where rolname = name) and statement is not null
order by place, number
\gexec

grant usage on schema :"schema" to :"reader";

create table :"schema".migration (
  number integer primary key,
  name text not null,
  applied_at timestamptz not null default clock_timestamp()
);
comment on table :"schema".migration is 'The structure''s history: one row per migration applied; the highest number is the schema''s version.';
comment on column :"schema".migration.number is 'The migration''s number.';
comment on column :"schema".migration.name is 'What it created.';
comment on column :"schema".migration.applied_at is 'When it was applied.';
grant select on :"schema".migration to :"reader";

create table :"schema".setting (
  only_row boolean primary key default true check (only_row),
  max_requested integer not null default 1000 check (max_requested > 0),
  pruned_at timestamptz,
  pruned_older_than interval
);
insert into :"schema".setting default values;
comment on table :"schema".setting is 'Limits that the database itself enforces; one row, changed by the schema''s owner.';
comment on column :"schema".setting.only_row is 'Keeps the table at one row.';
comment on column :"schema".setting.max_requested is
  'How many requests of one role may wait for one cluster in state requested; the next INSERT is refused.';
comment on column :"schema".setting.pruned_at is
  'Written by prune(): the time that it last took for the present. Only a gap since then says that the clock may be ahead. Null: it never ran.';
comment on column :"schema".setting.pruned_older_than is 'The age that prune() had then: what it has seen holds for that age and shorter ones.';
grant select on :"schema".setting to :"reader";

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

-- The installation is the first to say that this control database is the one in charge.
\ir ../sql/functions/control_origin.sql
\ir ../sql/functions/left_recovery_at.sql
insert into :"schema".confirmed_origin (origin, left_recovery_at)
values (:"schema".control_origin(), :"schema".left_recovery_at());
