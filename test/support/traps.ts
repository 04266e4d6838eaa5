// A schema full of traps: functions and operators that would be preferred to the system's own by anything that is
// called with other argument types than theirs and looks its names up in the caller's search_path.
import type { SqlClient } from './sql-client.ts';

const types = [
  'integer',
  'bigint',
  'double precision',
  'numeric',
  'text',
  'name',
  'interval',
  'timestamptz',
  'text[]',
];
const operators = ['+', '-', '*', '/', '<', '<=', '>', '>=', '=', '<>', '||', '~'];
const functions = [
  'array_position',
  'ceil',
  'date_part',
  'extract',
  'format',
  'max',
  'octet_length',
  'pg_sleep',
  'quote_ident',
  'replace',
  'to_regclass',
];

/** As a role of its own that may do no more than create there; whatever springs a trap says as whom. */
export async function layTraps(superuser: SqlClient, schema: string, owner: string): Promise<void> {
  const list = (items: string[]) => items.map((item) => `'${item}'`).join(', ');
  await superuser.query(`
    create schema ${schema} authorization ${owner};
    grant usage on schema ${schema} to public;
    set role ${owner};
    do $lay$
    declare
      number integer := 0;
      its record;
      body constant text := $b$ language plpgsql as 'begin raise exception ''trapped as %'', current_user; end'$b$;
    begin
      for its in
        select l as left_type, r as right_type, o as operator
        from unnest(array[${list(types)}]) l, unnest(array[${list(types)}]) r, unnest(array[${list(operators)}]) o
        where not exists (
          select from pg_operator
          where oprname = o and oprleft = l::regtype and oprright = r::regtype
            and oprnamespace = 'pg_catalog'::regnamespace)
      loop
        number := number + 1;
        execute format('create function ${schema}.f%s(%s, %s) returns boolean', number, its.left_type, its.right_type) || body;
        execute format('create operator ${schema}.%s (leftarg = %s, rightarg = %s, function = ${schema}.f%s)',
          its.operator, its.left_type, its.right_type, number);
      end loop;
      for its in
        select f as name, l as first, coalesce(', ' || r, '') as second
        from unnest(array[${list(functions)}]) f, unnest(array[${list(types)}]) l,
          unnest(array[${list(types)}, null]) r
      loop
        execute format('create function ${schema}.%I(%s%s) returns integer', its.name, its.first, its.second) || body;
      end loop;
    end
    $lay$;
    reset role`);
}
