// The parts of the documentation that say what the program or the database says already: between the comments
// <!-- generated: KIND NAME --> and <!-- end -->.
import { format, resolveConfig } from 'prettier';
import type { SqlClient } from '../harness/sql-client.ts';
import { configurationTable } from '../../src/config/config-help.ts';

const block = /(<!-- generated: (\w+) ?([\w-]*) -->\n)[\s\S]*?(<!-- end -->)/g;

/** The file with its generated parts made anew. `client`: a database with Holdfast in the schema holdfast. */
export async function regenerate(text: string, path: string, client: SqlClient): Promise<string> {
  let result = '';
  let from = 0;
  for (const match of text.matchAll(block)) {
    const [whole, begin = '', kind = '', name = '', end = ''] = match;
    const make = kinds[kind];
    if (!make) throw new Error(`${path}: nothing generates "${kind}"`);
    result += `${text.slice(from, match.index)}${begin}\n${await make(client, name)}\n\n${end}`;
    from = match.index + whole.length;
  }
  const options = await resolveConfig(path);
  return format(result + text.slice(from), { ...options, filepath: path });
}

const kinds: Record<string, (client: SqlClient, name: string) => Promise<string>> = {
  configuration: async () => {
    const [head = '', rule = '', ...rows] = configurationTable().split('\n');
    return [head, rule, ...rows].map((row) => `| ${row} |`).join('\n');
  },

  columns: async (client, relation) => {
    const rows = await client.query<{ name: string; type: string; meaning: string }>(
      `select attname as name, format_type(atttypid, atttypmod) as type, col_description(attrelid, attnum) as meaning
       from pg_attribute
       where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum`,
      [`holdfast.${relation}`],
    );
    return table(
      ['Column', 'Type', 'Meaning'],
      rows.map(({ name, type, meaning }) => [code(name), type, meaning]),
    );
  },

  transitions: async (client) => {
    const rows = await client.query<{ from_state: string; to_state: string; movers: string }>(
      `select from_state, to_state, string_agg(mover, ', ' order by mover) as movers
       from holdfast.state_transition
       group by from_state, to_state
       order by array_position($1, from_state), array_position($1, to_state)`,
      [['requested', 'starting', 'running', 'done', 'archiving', 'complete', 'failed', 'cancelled']],
    );
    return table(
      ['From', 'To', 'Who'],
      rows.map((row) => [code(row.from_state), code(row.to_state), row.movers]),
    );
  },

  routine: async (client, name) => {
    const [routine] = await routines(client, `p.proname = '${name}'`);
    if (!routine) throw new Error(`there is no routine ${name}`);
    return `\`\`\`\n${routine.kind} ${name}(\n  ${routine.arguments.split(', ').join(',\n  ')}\n)\n\`\`\`\n\n${routine.meaning}`;
  },

  internals: async (client) => {
    const found = await routines(
      client,
      `p.proname not in ('start_backup', 'stop_backup', 'cancel_backup', 'wait_for_backup', 'prune')`,
    );
    return table(
      ['Routine', 'What it does'],
      found.map(({ name, meaning }) => [code(name), meaning]),
    );
  },
};

interface Routine {
  name: string;
  kind: string;
  arguments: string;
  meaning: string;
}

function routines(client: SqlClient, which: string): Promise<Routine[]> {
  return client.query<Routine>(
    `select p.proname as name, case p.prokind when 'p' then 'procedure' else 'function' end as kind,
       pg_get_function_arguments(p.oid) as arguments, obj_description(p.oid, 'pg_proc') as meaning
     from pg_proc p where p.pronamespace = 'holdfast'::regnamespace and ${which} order by p.proname`,
  );
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}

function code(text: string): string {
  return `\`${text}\``;
}
