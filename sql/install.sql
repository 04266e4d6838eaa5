-- Installs or upgrades Holdfast with plain psql, as "holdfast install" does: in one transaction,
-- in order, each migration once, under a lock.
--   psql -X -v schema=holdfast -f sql/install.sql
\set ON_ERROR_STOP on
\if :{?schema} \else \set schema holdfast \endif
\set reader :schema '_reader'
\set requester :schema '_requester'
\set operator :schema '_operator'
\set worker :schema '_worker'

begin isolation level read committed;
set local client_min_messages = warning;
set local check_function_bodies = off;
set local search_path = pg_catalog, pg_temp;
set local lock_timeout = '60s';
select 'do $$ begin raise exception ''a schema name has 1 to 40 bytes and is not "$user"'' using errcode = ''invalid_name''; end $$'
where octet_length(:'schema') not between 1 and 40 or :'schema' = '$user'
\gexec
select to_regclass(format('%I.migration', :'schema')) is not null as installed \gset
\set version 0
\if :installed
  -- One after the other. Nobody else may lock it so; where there is none yet, creating the schema makes others wait.
  lock table :"schema".migration in share row exclusive mode;
  -- An upgrade that waits for a table makes everybody else wait for it, too.
  set local lock_timeout = '10s';
  -- The migrations of before the first release had other names, and higher numbers.
  select format('do %L', format('begin raise exception using message = %L, hint = %L; end',
    format('schema "%s" was made by migrations that were never released: number %s is "%s", and not "%s"',
      :'schema', number, applied.name, known.name),
    format('Install into another schema with -v schema=NAME, or drop this one, with the history of its backups: DROP SCHEMA IF EXISTS %I, %I CASCADE',
      :'schema', :'schema' || '_boss')))
  from :"schema".migration applied
  join (values
    (1, 'roles'), (2, 'clusters'), (3, 'requests'),
    (4, 'schedules'), (5, 'chores'), (6, 'wal-archive'),
    (7, 'verification-and-drills'), (8, 'retention')
  ) known (number, name) using (number)
  where applied.name <> known.name
  order by number limit 1
  \gexec
  select coalesce(max(number), 0) as version from :"schema".migration \gset
\endif
select 'do $$ begin raise exception ''the schema is newer than these files'' using hint = ''Use the files of the newer release.''; end $$'
where :version > 8
\gexec

select :version < 1 as needed \gset
\if :needed
  \ir ../migrations/001-roles.sql
  insert into :"schema".migration (number, name) values (1, 'roles');
\endif
select :version < 2 as needed \gset
\if :needed
  \ir ../migrations/002-clusters.sql
  insert into :"schema".migration (number, name) values (2, 'clusters');
\endif
select :version < 3 as needed \gset
\if :needed
  \ir ../migrations/003-requests.sql
  insert into :"schema".migration (number, name) values (3, 'requests');
\endif
select :version < 4 as needed \gset
\if :needed
  \ir ../migrations/004-schedules.sql
  insert into :"schema".migration (number, name) values (4, 'schedules');
\endif
select :version < 5 as needed \gset
\if :needed
  \ir ../migrations/005-chores.sql
  insert into :"schema".migration (number, name) values (5, 'chores');
\endif
select :version < 6 as needed \gset
\if :needed
  \ir ../migrations/006-wal-archive.sql
  insert into :"schema".migration (number, name) values (6, 'wal-archive');
\endif
select :version < 7 as needed \gset
\if :needed
  \ir ../migrations/007-verification-and-drills.sql
  insert into :"schema".migration (number, name) values (7, 'verification-and-drills');
\endif
select :version < 8 as needed \gset
\if :needed
  \ir ../migrations/008-retention.sql
  insert into :"schema".migration (number, name) values (8, 'retention');
\endif

\ir functions/accept_backup_chore.sql
\ir functions/accept_backup_request.sql
\ir functions/accept_backup_schedule.sql
\ir functions/active_request.sql
\ir functions/adopt.sql
\ir functions/adopt_repository.sql
\ir functions/announce_backup_chore.sql
\ir functions/announce_drill.sql
\ir functions/announce_hold.sql
\ir functions/announce_schedule.sql
\ir functions/await_backup.sql
\ir functions/begin_expiry.sql
\ir functions/bytes_as_text.sql
\ir functions/caller_waits.sql
\ir functions/cancel_backup.sql
\ir functions/chain_of.sql
\ir functions/check_label_text.sql
\ir functions/choose_label.sql
\ir functions/control_origin.sql
\ir functions/cron_field_problem.sql
\ir functions/cron_field_values.sql
\ir functions/cron_number.sql
\ir functions/cron_problem.sql
\ir functions/describe_wait.sql
\ir functions/end_expiry.sql
\ir functions/explain_state.sql
\ir functions/fire_schedule.sql
\ir functions/forget_copy.sql
\ir functions/full_copy_is_due.sql
\ir functions/guard_backup_chore.sql
\ir functions/guard_backup_request.sql
\ir functions/guard_backup_session.sql
\ir functions/guard_legal_hold.sql
\ir functions/guard_retention_policy.sql
\ir functions/guard_worker.sql
\ir functions/left_recovery_at.sql
\ir functions/lock_holder.sql
\ir functions/lock_is_held.sql
\ir functions/origin_is_confirmed.sql
\ir functions/plan_schedule.sql
\ir functions/protect_history.sql
\ir functions/prune.sql
\ir functions/raise_outcome.sql
\ir functions/recall_hold.sql
\ir functions/record_backup_event.sql
\ir functions/refuse_foreign_worker.sql
\ir functions/refuse_label_of_schedule.sql
\ir functions/request_scheduled.sql
\ir functions/require_autocommit.sql
\ir functions/require_cluster.sql
\ir functions/require_confirmed_origin.sql
\ir functions/require_operator.sql
\ir functions/require_ownership.sql
\ir functions/require_worker.sql
\ir functions/schedule_is_busy.sql
\ir functions/schedule_label.sql
\ir functions/schedule_owner.sql
\ir functions/scheduled_work.sql
\ir functions/session_state.sql
\ir functions/settle_schedule_run.sql
\ir functions/start_backup.sql
\ir functions/start_schedule_run.sql
\ir functions/stop_backup.sql
\ir functions/tend_schedule.sql
\ir functions/this_database.sql
\ir functions/time_zone_problem.sql
\ir functions/wait_for_backup.sql
\ir functions/waiting_for.sql
\ir functions/want_token.sql
\ir functions/worker_here.sql
\ir functions/worker_is_alive.sql
\ir functions/worker_lock_is_held.sql
\ir views/backup_chain.sql
\ir views/backup_proof.sql
\ir views/backup_status.sql
\ir views/restore_window.sql
\ir views/schedule_status.sql
\ir views/worker_status.sql
commit;
