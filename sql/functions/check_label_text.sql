create or replace function :"schema".check_label_text(label text) returns void
language plpgsql
set search_path = :"schema", pg_temp
as $$
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
end
$$;
comment on function :"schema".check_label_text(text) is
  'Refuses a label that PostgreSQL''s backup_label could not hold safely.';
revoke all on function :"schema".check_label_text(text) from public;
grant execute on function :"schema".check_label_text(text) to :"requester";
