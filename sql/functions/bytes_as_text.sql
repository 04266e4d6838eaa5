create or replace function :"schema".bytes_as_text(bytes bytea) returns text
language plpgsql
set search_path = :"schema", pg_temp
as $$
begin
  return convert_from(bytes, getdatabaseencoding());
exception when character_not_in_repertoire or untranslatable_character then
  return encode(bytes, 'escape');
end
$$;
comment on function :"schema".bytes_as_text(bytea) is
  'The bytes as they are where this database''s encoding can hold them, otherwise with octal escapes: then the bytes are in backup_session.';
revoke all on function :"schema".bytes_as_text(bytea) from public;
grant execute on function :"schema".bytes_as_text(bytea) to :"reader";
