create or replace function :"schema".require_confirmed_origin(what text) returns void
language plpgsql volatile
set search_path = :"schema", pg_temp
as $$
declare
  confirmed text := (
    select format('%s, confirmed by %s at %s', origin, confirmed_by, confirmed_at::timestamptz(0))
    from confirmed_origin);
begin
  if not origin_is_confirmed() then
    raise exception '% rests: this control database is a restored copy or a promoted standby of another', what
      using errcode = 'HF021',
        detail = format('This control database is of origin %s; in charge was %s.', control_origin(), confirmed),
        hint = 'Run "holdfast adopt" if this control database is in charge from now on: the command says what follows.';
  end if;
end
$$;
comment on function :"schema".require_confirmed_origin(text) is
  'Refuses what must not happen in a control database whose origin nobody has confirmed.';
revoke all on function :"schema".require_confirmed_origin(text) from public;
grant execute on function :"schema".require_confirmed_origin(text) to :"reader";
