import test from 'ava';
import { parseScript } from '../../src/database/sql-script.ts';

const variables = { schema: 'my "schema"', text: `it's \\ here` };

test('variables are quoted as psql quotes them', (t) => {
  t.deepEqual(parseScript(`create schema :"schema"; select :'text'::text;`, variables), [
    { sql: 'create schema "my ""schema"""', gexec: false },
    { sql: `select  E'it''s \\\\ here'::text`, gexec: false },
  ]);
});

test('nothing is replaced inside quotes, dollar quotes and comments', (t) => {
  const body = `select $$ :"schema" ; $x$ $$, ':"schema";', ":'text';" -- :"nothing";\n;`;
  t.deepEqual(parseScript(body, variables), [
    { sql: `select $$ :"schema" ; $x$ $$, ':"schema";', ":'text';"`, gexec: false },
  ]);
});

test('gexec belongs to the statement before it', (t) => {
  t.deepEqual(parseScript(`select 1;\nselect 'x'\n\\gexec\nselect 2;`, variables), [
    { sql: 'select 1', gexec: false },
    { sql: `select 'x'`, gexec: true },
    { sql: 'select 2', gexec: false },
  ]);
});

test('a variable that is not set is named', (t) => {
  t.throws(() => parseScript('select :"missing"', variables), { message: /"missing" is not set/ });
});
