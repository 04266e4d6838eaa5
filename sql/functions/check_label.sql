create or replace function :"schema".check_label(of_cluster text, label text) returns void
language plpgsql
set search_path = :"schema", pg_temp
as $$
declare
  holder record;
begin
  if octet_length(label) not between 1 and 1000 then
    raise exception 'a label has 1 to 1000 bytes, this one has %', octet_length(label)
      using errcode = 'check_violation', constraint = 'label_is_1_to_1000_bytes';
  elsif label ~ '[\x01-\x1f\x7f]' collate "C"
    or getdatabaseencoding() = 'UTF8' and label ~ E'[\\u0080-\\u009f]' collate "C"
  then
    raise exception 'a label has no control characters'
      using errcode = 'check_violation', constraint = 'label_has_no_control_characters',
        hint = 'A newline in it would forge lines of the backup_label file.';
  end if;

  if getdatabaseencoding() = 'SQL_ASCII' then
    begin
      perform convert_to(label, 'UTF8');
    exception when character_not_in_repertoire or untranslatable_character then
      raise exception 'the label is not valid UTF-8'
        using errcode = 'check_violation',
          hint = 'This database''s encoding is SQL_ASCII, which checks nothing; a label has to be readable by every client.';
    end;
  end if;

  -- Without this, an INSERT would wait on the unique index for as long as somebody else keeps a
  -- transaction with the same label open.
  if not pg_try_advisory_xact_lock(hashtextextended(current_schema() || '/' || of_cluster || '/' || label, 0)) then
    raise exception 'label "%" of cluster "%" is being requested by another transaction', label, of_cluster
      using errcode = 'lock_not_available',
        hint = 'Try again once that transaction has ended, or use another label.';
  end if;

  -- Without this, INSERT ... ON CONFLICT DO UPDATE ... WHERE would lock somebody else's row for as long as its
  -- transaction lasts: it looks at the row policies only when it updates.
  select id, requested_by into holder from backup_request r
  where r.cluster = of_cluster and r.label = check_label.label
    and state in ('requested', 'starting', 'running', 'done') and requested_by <> current_user;
  if found then
    raise exception 'label "%" of cluster "%" is in use by backup request % of role "%"',
        label, of_cluster, holder.id, holder.requested_by
      using errcode = 'unique_violation', constraint = 'one_active_request_per_label',
        hint = 'Use another label, or wait until that backup has ended.';
  end if;
end
$$;
comment on function :"schema".check_label(text, text) is
  'Refuses a label that PostgreSQL''s backup_label could not hold safely, that an open transaction is requesting, or that somebody else''s backup has.';
revoke all on function :"schema".check_label(text, text) from public;
grant execute on function :"schema".check_label(text, text) to :"requester";
