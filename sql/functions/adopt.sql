create or replace function :"schema".adopt() returns text
language plpgsql volatile
security definer
set search_path = :"schema", pg_temp
as $$
declare
  who constant text := require_operator('adopt this control database');
begin
  if pg_is_in_recovery() then
    raise exception 'this control database is in recovery'
      using errcode = 'read_only_sql_transaction', hint = case when pg_is_wal_replay_paused()
        then 'Open the restored server with SELECT pg_wal_replay_resume(), and run adopt() then.'
        else 'Promote the standby with SELECT pg_promote(), and run adopt() then.' end;
  end if;
  update confirmed_origin
  set origin = control_origin(), left_recovery_at = left_recovery_at(), confirmed_by = who,
    confirmed_login = session_user, confirmed_at = clock_timestamp();
  -- Those that are known; another one takes adopt_repository().
  update cluster set repository_taken_over = true where repository_id is not null;
  -- A full queue makes the transaction fail when it commits; a notification is only a hint.
  if pg_notification_queue_usage() < 0.5 then
    perform pg_notify(current_schema() || '_request', json_build_object('adopted', control_origin())::text);
  end if;
  return control_origin();
end
$$;
comment on function :"schema".adopt() is
  'Puts this control database in charge: schedules run, chores are taken, backups expire, and the next worker takes each cluster''s repository, of the id that is known, over from whoever has used it. For operators; the database that was in charge must be off, or have another repository. Returns the origin.';
revoke all on function :"schema".adopt() from public;
grant execute on function :"schema".adopt() to :"operator";
