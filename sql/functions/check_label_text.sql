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
        hint = 'Remove them: a newline would add a line to the file backup_label.';
  end if;

  if getdatabaseencoding() = 'SQL_ASCII' then
    begin
      perform convert_to(label, 'UTF8');
    exception when character_not_in_repertoire or untranslatable_character then
      raise exception 'the label is not valid UTF-8'
        using errcode = 'check_violation',
          hint = 'Give a label in UTF-8: every client has to read the label, and this database has the encoding SQL_ASCII, which checks no text.';
    end;
  end if;
end
$$;
comment on function :"schema".check_label_text(text) is
  'Refuses a label that PostgreSQL''s backup_label could not hold safely.';
revoke all on function :"schema".check_label_text(text) from public;
grant execute on function :"schema".check_label_text(text) to :"requester";
