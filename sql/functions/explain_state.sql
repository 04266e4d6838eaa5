create or replace function :"schema".explain_state(state text, movers text[]) returns text
language sql stable
set search_path = :"schema", pg_temp
as $$
  select case when state in ('complete', 'failed', 'cancelled')
    then format('It is %s: that never changes again.', state)
    else format('From %s, you may move it to: %s. Others may: %s.', state,
      coalesce(string_agg(distinct to_state, ', ') filter (where mover = any (movers)), 'nothing'),
      coalesce(string_agg(distinct format('%s (%s)', to_state, mover), ', ') filter (where mover <> all (movers)), 'nothing'))
    end
  from state_transition
  where from_state = explain_state.state
$$;
comment on function :"schema".explain_state(text, text[]) is 'What may happen to a request in that state, for error messages.';
revoke all on function :"schema".explain_state(text, text[]) from public;
grant execute on function :"schema".explain_state(text, text[]) to :"reader";
