create or replace function :"schema".accept_backup_schedule() returns trigger
language plpgsql
set search_path = :"schema", pg_temp
as $$
declare
  written_by_workers constant text[] := array['next_run', 'last_run', 'last_success', 'planned_after', 'problem',
    'paused_because', 'owner', 'changed_at', 'revision'];
  this_moment constant timestamptz := clock_timestamp();
  changed text[];
  wrong text;
begin
  if tg_op = 'UPDATE' then
    changed := array(
      select n.key from jsonb_each(to_jsonb(new)) n join jsonb_each(to_jsonb(old)) o using (key)
      where n.value is distinct from o.value and n.key <> all (written_by_workers));
    if changed = '{}' then
      return new;   -- by a worker
    end if;
  end if;

  -- 1. Is it right?
  if tg_op = 'INSERT' or new.cron <> old.cron then
    wrong := cron_problem(new.cron);
    if wrong is not null then
      raise exception 'cron expression "%" cannot be used: %', new.cron, wrong
        using errcode = 'invalid_parameter_value', constraint = 'cron_is_valid',
          hint = 'Give for example "0 2 * * *" for every night at two, or "30 1 * * sun" for Sundays at half past one.';
    end if;
  end if;
  if tg_op = 'INSERT' or new.time_zone <> old.time_zone then
    wrong := time_zone_problem(new.time_zone);
    if wrong is not null then
      raise exception 'time zone "%" cannot be used: %', new.time_zone, wrong
        using errcode = 'invalid_parameter_value', constraint = 'time_zone_is_valid',
          hint = 'Give for example UTC, Europe/Berlin or America/New_York.';
    end if;
  end if;
  -- A constraint of the table says so as well, but not what to give instead.
  if new.incremental and (new.kind <> 'backup' or new.method <> 'copy') then
    raise exception 'incremental goes with method copy, and schedule "%" requests %', new.name,
        case new.kind when 'backup' then format('backups with method "%s"', new.method) else format('chores of kind "%s"', new.kind) end
      using errcode = 'check_violation', constraint = 'schedule_incremental_goes_with_copy',
        hint = 'Give method ''copy'' and kind ''backup'', or leave incremental out.';
  end if;
  if new.label_prefix is not null then
    perform check_label_text(new.label_prefix);
  end if;
  perform require_cluster(new.cluster);

  -- 2. Whose is it? Its requests run with the rights of whoever says what they are.
  if tg_op = 'INSERT' or changed <> array['enabled'] then
    if not pg_has_role(current_user, tg_table_schema || '_operator', 'usage') then
      raise exception 'role "%" may not own a schedule', current_user
        using errcode = 'insufficient_privilege', hint = format('Type as a superuser: GRANT %I TO %I;', tg_table_schema || '_operator', current_user);
    end if;
    new.owner := current_user;
  end if;

  -- 3. From when on? What is due at this very moment, and not requested yet, is not lost by a change.
  new.changed_at := this_moment;
  if tg_op = 'INSERT' then
    new.revision := 1;
    new.planned_after := this_moment;
  else
    new.revision := old.revision + 1;
    if not new.enabled or not old.enabled then
      new.planned_after := this_moment;
      new.next_run := null;
    elsif new.cron <> old.cron or new.time_zone <> old.time_zone then
      new.planned_after := least(this_moment, old.next_run - interval '1 microsecond');
      new.next_run := null;
    end if;
  end if;
  new.problem := null;
  if new.enabled then
    new.paused_because := null;
    if not origin_is_confirmed() then
      raise warning 'schedule "%" rests: this control database is a restored copy or a promoted standby of another', new.name
        using hint = 'Run "holdfast adopt" if this control database is in charge from now on: the command says what follows.';
    end if;
  end if;
  return new;
end
$$;
comment on function :"schema".accept_backup_schedule() is
  'Checks and stamps a schedule that is new or changed. Runs with the rights of whoever does that.';
revoke all on function :"schema".accept_backup_schedule() from public;
